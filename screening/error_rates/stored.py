"""Store a report of error rates, once for equal parameters, with its event."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.digests import digest_of
from curation.project import Project
from curation.tables.content import CONTENT, report_content
from curation.tables.images import BuildStatus
from curation.tables.measures import CheckReport


def find_report(session: Session, parameters: dict[str, Any]) -> int | None:
    """The id of the finished report with these parameters, if there is one."""
    query = select(CheckReport.id).where(CheckReport.parameters_digest == digest_of(parameters))
    return session.scalars(query.where(CheckReport.status == BuildStatus.READY)).first()


def store_report(
    project: Project, kind: str, parameters: dict[str, Any], result: dict[str, Any], now: datetime, /, **facts: str
) -> int:
    """Store a report and return its id, or that of a report with equal parameters; `facts` go into its event."""
    with project.database.write() as session:
        known = find_report(session, parameters)
        if known is not None:
            return known
        report = CheckReport(
            kind=kind,
            parameters=parameters,
            parameters_digest=digest_of(parameters),
            status=BuildStatus.READY,
            result=result,
            created_at=now,
        )
        session.add(report)
        session.flush()
        payload = {"check_report": report.id, "parameters": report.parameters_digest, CONTENT: report_content(report)}
        project.chain.record(session, f"{kind}.measured", payload | facts, now)
        return report.id
