"""The chain of events shows what was altered, removed, reordered or cut off."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from curation.audit import Chain, anchor
from curation.database import Database

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CHAIN = Chain(b"k" * 32)


@pytest.fixture
def anchors(tmp_path: Path, database: Database) -> Path:
    """Six events, anchored after the fourth and the sixth."""
    path = tmp_path / "anchors.jsonl"
    for number in range(1, 7):
        with database.write() as session:
            CHAIN.record(session, "tested", {"number": number}, NOON)
        if number in (4, 6):
            with database.read() as session:
                anchor(session, path)
                anchor(session, path)
    return path


def faults(database: Database, anchors: Path, chain: Chain = CHAIN) -> list[str]:
    with database.read() as session:
        return chain.verify(session, anchors).faults


def test_an_untouched_chain_is_whole(database: Database, anchors: Path) -> None:
    with database.read() as session:
        report = CHAIN.verify(session, anchors)
    assert (report.events, report.anchors, report.faults) == (6, 2, [])


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE events SET kind = 'other' WHERE sequence = 3", "event 3"),
        ("UPDATE events SET payload = '{\"number\": 9}' WHERE sequence = 3", "event 3"),
        ("DELETE FROM events WHERE sequence = 3", "event 3 is missing"),
        ("DELETE FROM events WHERE sequence = 1", "event 1 is missing"),
        ("UPDATE events SET sequence = 7 WHERE sequence = 2", "event 2 is missing"),
        ("UPDATE events SET at = '2026-11-23 12:00:01' WHERE sequence = 5", "event 5"),
        ("UPDATE events SET hmac = (SELECT hmac FROM events WHERE sequence = 1) WHERE sequence = 2", "event 2"),
        ("UPDATE events SET sequence = CASE sequence WHEN 2 THEN -1 ELSE 2 END WHERE sequence IN (2)", "event -1"),
        ("DELETE FROM events WHERE sequence = 6", "an anchor was written at 6"),
        ("UPDATE event_heads SET count = 5", "the head says 5"),
        ("UPDATE events SET payload = (SELECT payload FROM events WHERE sequence = 4) WHERE sequence = 3", "event 3"),
    ],
)
def test_a_touched_row_is_found(database: Database, anchors: Path, statement: str, said: str) -> None:
    with database.write() as session:
        session.execute(text(statement.replace(":", "\\:")))
    assert any(said in fault for fault in faults(database, anchors))


def test_a_cut_tail_with_a_matching_head_is_found_by_the_anchor(database: Database, anchors: Path) -> None:
    with database.write() as session:
        session.execute(text("DELETE FROM events WHERE sequence > 4"))
        session.execute(text("UPDATE event_heads SET count = 4, hmac = (SELECT hmac FROM events WHERE sequence = 4)"))
    assert faults(database, anchors) == ["the chain ends at 4, an anchor was written at 6"]


def test_a_chain_written_with_another_key_does_not_verify(database: Database, anchors: Path) -> None:
    assert faults(database, anchors, Chain(b"x" * 32))
