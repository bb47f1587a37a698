"""A value of a kind that no command writes is said with its place, and verify names its row."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from curation.audit import Chain
from curation.database import Database
from curation.errors import Damaged
from curation.progress import silent
from curation.project import Project
from curation.tables.operations import Event, Job, JobStatus
from curation.verification.stored_values import find_wrong_values
from curation.verification.verify import verify_events, verify_project

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ON_SQLITE = [  # a statement, what a reader is told, what verification names
    ("UPDATE jobs SET payload = '{' WHERE id = 2", "jobs.payload; expected a JSON object", "jobs.payload"),
    ("UPDATE jobs SET payload = 5 WHERE id = 2", "the database holds 5 in jobs.payload", "jobs.payload"),
    ("UPDATE jobs SET payload = x'00ff' WHERE id = 2", "jobs.payload", "jobs.payload"),
    ("UPDATE jobs SET created_at = 'yesterday' WHERE id = 2", "jobs.created_at; expected a time", "jobs.created_at"),
    ("UPDATE jobs SET created_at = '2026-02-31 10:00:00' WHERE id = 2", "jobs.created_at", "jobs.created_at"),
    ("UPDATE jobs SET status = 'asleep' WHERE id = 2", "jobs.status; expected one of queued, ", "jobs.status"),
]


def add_jobs(database: Database) -> None:
    with database.write() as session:
        for number in (1, 2):
            payload = {"name": f"j{number}"}
            session.add(Job(kind="test", payload=payload, status=JobStatus.QUEUED, created_at=NOON))
            session.flush()


def test_json_of_another_kind_is_said_with_its_place(database: Database) -> None:
    add_jobs(database)
    with database.read() as session:
        names = select(Job.payload["name"].as_string()).order_by(Job.id)
        assert session.scalars(names).all() == ["j1", "j2"]
        assert session.scalars(select(Job.payload["name"]).where(Job.id == 2)).all() == ["j2"]
    assert find_wrong_values(database) == []
    with database.write() as session:
        session.execute(text("UPDATE jobs SET payload = '[1, 2]' WHERE id = 2"))
    with database.read() as session, pytest.raises(Damaged, match=r"holds .* in jobs.payload; expected a JSON object"):
        session.scalars(select(Job)).all()
    assert [fault.split("such as")[1].split("; ")[1] for fault in find_wrong_values(database)] == ["rows: 2"]


@pytest.mark.parametrize(("statement", "told", "column"), ON_SQLITE, ids=range(len(ON_SQLITE)))
@pytest.mark.slow
def test_a_value_of_another_kind_is_said_with_its_place(
    project: Project, statement: str, told: str, column: str
) -> None:
    add_jobs(project.database)
    with project.database.write() as session:
        session.execute(text("PRAGMA ignore_check_constraints = ON"))
        session.execute(text(statement))
    with project.database.read() as session, pytest.raises(Damaged) as damaged:
        session.scalars(select(Job)).all()
    assert told in str(damaged.value)
    faults = [fault for fault in verify_project(project, silent).faults if fault.startswith("jobs.")]
    assert [fault.split()[0] for fault in faults] == [column]
    assert faults[0].endswith("rows: 2")


def test_events_are_checked_past_one_that_cannot_be_read(project: Project) -> None:
    with project.database.write() as session:
        for number in range(3):
            project.chain.record(session, "tested", {"number": number}, NOON)
    with project.database.write() as session:
        session.execute(text("UPDATE events SET payload = 'no JSON' WHERE sequence = 1"))
        session.execute(text("UPDATE events SET at = 'noon' WHERE sequence = 3"))
    with project.database.read() as session, pytest.raises(Damaged, match=r"events\.(payload|at)"):
        session.scalars(select(Event)).all()
    faults = verify_events(project).faults
    assert [fault for fault in faults if "was altered" in fault] == [
        f"events: event {number} (tested) was altered, or the one before it was" for number in (1, 3)
    ]


def test_a_number_that_is_a_text_is_named(project: Project) -> None:
    add_jobs(project.database)
    with project.database.write() as session:
        session.execute(text("UPDATE jobs SET done = 'many', payload = '{\"loss\": NaN}'"))  # which is read back
    assert find_wrong_values(project.database) == [
        "jobs.done holds values that Rounds never writes, such as 'many'; rows: 1, 2"
    ]


def test_the_chain_is_the_same_whatever_reads_it(database: Database) -> None:
    chain = Chain(b"k" * 32)
    with database.write() as session:
        chain.record(session, "tested", {"a": [1, None], "b": {"c": 0.5}}, NOON)
    with database.read() as session:
        event = session.scalars(select(Event)).one()
        assert chain._link("0" * 64, 1, event.at, event.kind, event.payload) == event.hmac
