"""Screening results and error rates as CSV, for those who manage batches."""

from collections.abc import Callable

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from curation.project import Project
from review_ui.figures.tables import Table
from review_ui.routes.exports import write_csv
from review_ui.security.access import require
from review_ui.security.guard import READER_KEY
from review_ui.security.permissions import Capability
from review_ui.security.sessions import Clock, SignedInReader
from screening.report.tables import error_rate_table, screening_table


class ScreeningExportRoutes:
    """GET /rounds/exports/screenings/ID/FIGURE.csv, .../error-rates/ID.csv; each export is an event."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock

    async def screening(self, request: Request) -> Response:
        """Send one figure of one screening."""
        screening_id, figure = request.path_params["screening_id"], request.path_params["figure"]
        return await self._answer(
            request,
            f"screening-{screening_id}-{figure}.csv",
            {"screening": screening_id, "figure": figure},
            lambda session: screening_table(session, screening_id, figure),
        )

    async def error_rates(self, request: Request) -> Response:
        """Send every rate of one measurement of the checks."""
        report_id = request.path_params["report_id"]
        return await self._answer(
            request,
            f"error-rates-{report_id}.csv",
            {"check_report": report_id},
            lambda session: error_rate_table(session, report_id),
        )

    async def _answer(
        self, request: Request, name: str, what: dict[str, int | str], table_of: Callable[[Session], Table]
    ) -> Response:
        reader: SignedInReader = request.scope[READER_KEY]
        require(reader, Capability.MANAGE)

        def count() -> Table:
            with self.project.database.read() as session:
                table = table_of(session)
            with self.project.database.write() as session:
                payload = {**what, "by": reader.reader_id}
                self.project.chain.record(session, "figures.exported", payload, self.clock())
            return table

        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        content = write_csv(await run_in_threadpool(count))
        return Response(content, media_type="text/csv; charset=utf-8", headers=headers)
