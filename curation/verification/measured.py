"""Error rates, measures of sets and judged pairs, held against the digests that their events keep in the chain.

A fault is a row that no event tells of, that is not as its event tells, or that is gone. Two events of one row are one
too: SQLite gives the number of a deleted last row out again, so what was measured anew would stand in for it.
Events of earlier versions keep no digest of what was found: such rows are not covered, and said to be so.
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
class _Kind:
    """Rows of one table, the events that tell of them, and under which key an event names the row."""

    what: str
    plural: str
    model: Any
    events: tuple[str, ...]
    key: str
    content: Callable[[Session, Any], str]


def _pairs_of(session: Session, listed: PairList) -> str:
    return pairs_content(listed, list(session.scalars(select(Pair).where(Pair.pair_list_id == listed.id))))


KINDS = (
    _Kind(
        "report of error rates",
        "reports of error rates",
        CheckReport,
        ("privacy.measured", "checks.measured"),
        "check_report",
        lambda _, row: report_content(row),
    ),
    _Kind(
        "measurement of a set",
        "measurements of sets",
        SetMeasurement,
        ("set.measured",),
        "measurement",
        lambda _, row: measurement_content(row),
    ),
    _Kind("list of pairs", "lists of pairs", PairList, ("pairs.created",), "pair_list", _pairs_of),
    _Kind(
        "judgement of a pair",
        "judgements of pairs",
        PairReading,
        ("pair.judged",),
        "pair_reading",
        lambda _, row: judgement_content(row),
    ),
)


def measured_faults(session: Session) -> Iterator[str]:
    """One sentence for each row that is not as its event tells, that no event tells of, or that is gone."""
    for kind in KINDS:
        told: dict[int, str | None] = {}
        for number, digest in _events(session, kind):
            if number in told:
                yield f"{kind.what} {number}: two events tell of it, so the row of the first was removed"
            told[number] = digest
        for row in _rows(session, kind):
            if row.id not in told:
                yield f"{kind.what} {row.id}: no event tells of it"
            elif told[row.id] not in (None, kind.content(session, row)):
                yield f"{kind.what} {row.id}: it was changed, its event tells otherwise"
            told.pop(row.id, None)
        yield from (f"{kind.what} {number}: it is gone, an event tells of it" for number in told)


def not_covered(session: Session) -> list[str]:
    """How many rows of each kind have an event without a digest of what was found; without such rows it is left out."""
    counts = {}
    for kind in KINDS:
        bare = {number for number, digest in _events(session, kind) if digest is None}
        counts[kind.plural] = len(bare & set(session.scalars(select(kind.model.id)))) if bare else 0
    return [f"{plural} ({count})" for plural, count in counts.items() if count]


def _events(session: Session, kind: _Kind) -> Iterator[tuple[int, str | None]]:
    """Which row an event tells of, and the digest it keeps. An event that names none was altered: the chain says so."""
    query = select(Event.payload).where(Event.kind.in_(kind.events)).order_by(Event.sequence)
    for said in session.scalars(query):
        number = said.get(kind.key) if isinstance(said, dict) else None
        if isinstance(number, int):
            yield number, said.get(CONTENT)


def _rows(session: Session, kind: _Kind) -> Iterator[Any]:
    last = 0
    while rows := session.scalars(
        select(kind.model).where(kind.model.id > last).order_by(kind.model.id).limit(CHUNK)
    ).all():
        yield from rows
        last = rows[-1].id
        session.expunge_all()
