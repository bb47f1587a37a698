"""Figures as CSV: readers by id, for an administrator by name; no cell is a spreadsheet formula."""

import csv
import io
from collections.abc import Callable

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from curation.project import Project
from review_ui.figures.tables import Cell, Table, figure_table
from review_ui.security.access import require
from review_ui.security.guard import READER_KEY
from review_ui.security.permissions import Capability
from review_ui.security.sessions import Clock, SignedInReader
from screening.report.measurements import every_figure, find_measurement, withdrawn_behind
from screening.report.tables import error_rate_table, screening_table

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class ExportRoutes:
    """GET /rounds/exports/... of worklists, measurements, screenings and error rates; each export is an event."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock

    def figure(self, request: Request) -> Response:
        """Send one figure of one worklist."""
        worklist_id, figure = request.path_params["worklist_id"], request.path_params["figure"]
        name, what = f"worklist-{worklist_id}-{figure}.csv", {"worklist": worklist_id, "figure": figure}

        def count(session: Session, reader: SignedInReader) -> Table:
            return figure_table(session, worklist_id, figure, with_names=reader.can(Capability.ADMINISTER))

        return self._send(request, Capability.SEE_RESULTS, name, what, count)

    def measurement(self, request: Request) -> Response:
        """Send every figure of one measured set."""
        measurement_id = request.path_params["measurement_id"]
        name, what = f"measurement-{measurement_id}.csv", {"measurement": measurement_id}

        def count(session: Session, _: SignedInReader) -> Table:
            return every_figure(find_measurement(session, measurement_id), withdrawn_behind(session, measurement_id))

        return self._send(request, Capability.SEE_RESULTS, name, what, count)

    def screening(self, request: Request) -> Response:
        """Send one figure of one screening."""
        screening_id, figure = request.path_params["screening_id"], request.path_params["figure"]
        name, what = f"screening-{screening_id}-{figure}.csv", {"screening": screening_id, "figure": figure}
        return self._send(
            request, Capability.MANAGE, name, what, lambda session, _: screening_table(session, screening_id, figure)
        )

    def error_rates(self, request: Request) -> Response:
        """Send every rate of one measurement of the checks."""
        report_id = request.path_params["report_id"]
        name, what = f"error-rates-{report_id}.csv", {"check_report": report_id}
        return self._send(
            request, Capability.MANAGE, name, what, lambda session, _: error_rate_table(session, report_id)
        )

    def _send(
        self,
        request: Request,
        capability: Capability,
        name: str,
        what: dict[str, int | str],
        count: Callable[[Session, SignedInReader], Table],
    ) -> Response:
        reader: SignedInReader = request.scope[READER_KEY]
        require(reader, capability)
        with self.project.database.read() as session:
            table = count(session, reader)
        with self.project.database.write() as session:
            self.project.chain.record(session, "figures.exported", {**what, "by": reader.reader_id}, self.clock())
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(write_csv(table), media_type="text/csv; charset=utf-8", headers=headers)


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
