"""Check error rates, measurements of sets and judged pairs against the digests in their events.

A row is at fault that has no event, differs from its event, or is missing. Two events for one row are a fault too:
SQLite reuses the number of a deleted last row, so a new measurement would stand in for the deleted one.
Events of earlier versions keep no digest of the result: such rows are not covered, and are listed as such.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.tables.content import CONTENT, judgement_content, measurement_content, pairs_content, report_content
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.operations import Event
from curation.tables.pairs import Pair, PairList, PairReading

CHUNK = 100  # rows at a time: the result of one measurement can be a hundred kilobytes


@dataclass(frozen=True, slots=True)
class _CheckedTable:
    """The rows of one table, the events about them, and the key under which an event names its row."""

    what: str
    plural: str
    model: Any
    events: tuple[str, ...]
    key: str
    content: Callable[[Session, Any], str]


def _pairs_of(session: Session, pair_list: PairList) -> str:
    return pairs_content(pair_list, list(session.scalars(select(Pair).where(Pair.pair_list_id == pair_list.id))))


TABLES = (
    _CheckedTable(
        "report of error rates",
        "reports of error rates",
        CheckReport,
        ("privacy.measured", "checks.measured"),
        "check_report",
        lambda _, row: report_content(row),
    ),
    _CheckedTable(
        "measurement of a set",
        "measurements of sets",
        SetMeasurement,
        ("set.measured",),
        "measurement",
        lambda _, row: measurement_content(row),
    ),
    _CheckedTable("list of pairs", "lists of pairs", PairList, ("pairs.created",), "pair_list", _pairs_of),
    _CheckedTable(
        "judgement of a pair",
        "judgements of pairs",
        PairReading,
        ("pair.judged",),
        "pair_reading",
        lambda _, row: judgement_content(row),
    ),
)


def measured_faults(session: Session) -> Iterator[str]:
    """Describe each row that differs from its event, has no event, or is missing."""
    for table in TABLES:
        digests: dict[int, str | None] = {}
        for number, digest in _events(session, table):
            if number in digests:
                yield f"{table.what} {number}: two events record it, so the row of the first was removed"
            digests[number] = digest
        for row in _rows_by_id(session, table):
            if row.id not in digests:
                yield f"{table.what} {row.id}: no event records it"
            elif digests[row.id] not in (None, table.content(session, row)):
                yield f"{table.what} {row.id}: it was changed, its event records another content"
            digests.pop(row.id, None)
        yield from (f"{table.what} {number}: it is missing, an event records it" for number in digests)


def not_covered(session: Session) -> list[str]:
    """Count the rows of each table whose event has no digest of the result; tables without such rows are left out."""
    counts = {}
    for table in TABLES:
        bare = {number for number, digest in _events(session, table) if digest is None}
        counts[table.plural] = len(bare & set(session.scalars(select(table.model.id)))) if bare else 0
    return [f"{plural} ({count})" for plural, count in counts.items() if count]


def _events(session: Session, table: _CheckedTable) -> Iterator[tuple[int, str | None]]:
    """Yield the row and the digest of each event. An event that names no row was altered, which the chain shows."""
    query = select(Event.payload).where(Event.kind.in_(table.events)).order_by(Event.sequence)
    for payload in session.scalars(query):
        number = payload.get(table.key) if isinstance(payload, dict) else None
        if isinstance(number, int):
            yield number, payload.get(CONTENT)


def _rows_by_id(session: Session, table: _CheckedTable) -> Iterator[Any]:
    last = 0
    query = select(table.model).order_by(table.model.id).limit(CHUNK)
    while rows := session.scalars(query.where(table.model.id > last)).all():
        yield from rows
        last = rows[-1].id
        session.expunge_all()
