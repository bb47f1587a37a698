"""Events for rows that a test wrote beside the commands, and whether rows of a kind have theirs."""

from collections import Counter

from sqlalchemy import select

from curation.audit import MEMBERS
from curation.project import Project
from curation.tables.images import BuildStatus
from curation.tables.recorded import RECORDED
from curation.verification.ledger import Ledger
from curation.verification.recorded import recorded_faults
from tests.rows import NOW


def record_rows(project: Project) -> None:
    """Record every finished row that no event records."""
    with project.database.write() as session:
        with Ledger.open(session) as ledger:
            known = {(table.what, entry.id) for table in RECORDED for entry in ledger.entries(table)}
        for table in RECORDED:
            for row in session.scalars(select(table.model).order_by(table.model.id)).all():
                finished = getattr(row, "status", BuildStatus.READY) == BuildStatus.READY
                if finished and (table.what, row.id) not in known:
                    members = {MEMBERS: project.chain.members(session, table.model, row.id)} if table.members else {}
                    project.chain.record_row(session, table.added[0], row, {}, NOW, **members)


def assert_recorded(project: Project, what: str) -> None:
    """Hold that every row of one kind is as its event recorded it, and that there is one."""
    table = next(table for table in RECORDED if table.what == what)
    not_covered = Counter[str]()
    with project.database.read() as session:
        assert session.scalars(select(table.model.id)).all()
        faults = recorded_faults(session, project.chain, not_covered)
        assert [fault for fault in faults if fault.startswith(f"{what} ")] == []
    assert not_covered[table.plural] == 0
