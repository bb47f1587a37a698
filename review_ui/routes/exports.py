"""Figures as CSV: readers by id, for an administrator by name; no cell is a spreadsheet formula."""

import csv
import io

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from curation.project import Project
from review_ui.figures.tables import Cell, Table, figure_table
from review_ui.security.access import require
from review_ui.security.guard import READER_KEY
from review_ui.security.permissions import Capability
from review_ui.security.sessions import Clock, SignedInReader
from screening.report.measurements import every_figure, find_measurement, withdrawn_behind

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class ExportRoutes:
    """GET .../worklists/ID/FIGURE.csv and .../measurements/ID/figures.csv; each export is an event."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock

    async def figure(self, request: Request) -> Response:
        """One figure of one worklist as a file to save."""
        reader: SignedInReader = request.scope[READER_KEY]
        require(reader, Capability.SEE_RESULTS)
        worklist_id, figure = request.path_params["worklist_id"], request.path_params["figure"]
        table = await run_in_threadpool(self._table, reader, worklist_id, figure)
        name = f"worklist-{worklist_id}-{figure}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(write_csv(table), media_type="text/csv; charset=utf-8", headers=headers)

    async def measurement(self, request: Request) -> Response:
        """Every figure of one measured set as a file to save."""
        reader: SignedInReader = request.scope[READER_KEY]
        require(reader, Capability.SEE_RESULTS)
        measurement_id = request.path_params["measurement_id"]
        table = await run_in_threadpool(self._measurement, reader, measurement_id)
        headers = {"Content-Disposition": f'attachment; filename="measurement-{measurement_id}.csv"'}
        return Response(write_csv(table), media_type="text/csv; charset=utf-8", headers=headers)

    def _measurement(self, reader: SignedInReader, measurement_id: int) -> Table:
        with self.project.database.read() as session:
            table = every_figure(find_measurement(session, measurement_id), withdrawn_behind(session, measurement_id))
        payload = {"measurement": measurement_id, "by": reader.reader_id}
        with self.project.database.write() as session:
            self.project.chain.record(session, "figures.exported", payload, self.clock())
        return table

    def _table(self, reader: SignedInReader, worklist_id: int, figure: str) -> Table:
        with_names = reader.can(Capability.ADMINISTER)
        with self.project.database.read() as session:
            table = figure_table(session, worklist_id, figure, with_names)
        payload = {"worklist": worklist_id, "figure": figure, "by": reader.reader_id}
        with self.project.database.write() as session:
            self.project.chain.record(session, "figures.exported", payload, self.clock())
        return table


def write_csv(table: Table) -> str:
    """A header and rows as CSV (RFC 4180)."""
    header, rows = table
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return out.getvalue()


def _safe(cell: Cell) -> Cell:
    """Put an apostrophe before a text that a spreadsheet would run (OWASP, CSV injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
