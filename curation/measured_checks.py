"""Error rates, measures of sets and judged pairs, held against the digests that their events keep in the chain.

A fault is a row that no event tells of, that is not as its event tells, or that is gone. Two events of one row are one
too: SQLite gives the number of a deleted last row out again, so what was measured anew would stand in for it.
Events of earlier versions keep no digest of what was found: such rows are not covered, and said to be so.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import canonical_json, digest_of
from curation.tables.measures import CheckReport, SetMeasurement
from curation.tables.operations import Event
from curation.tables.pairs import Pair, PairList, PairReading

CONTENT = "content"
CHUNK = 100  # rows at a time: the result of one measurement can be a hundred kilobytes


def report_content(report: CheckReport) -> str:
    """The digest of everything a report of error rates says."""
    asked = [report.kind, report.parameters, report.parameters_digest]
    return _as_stored([*asked, report.status, report.result, _time(report.created_at)])


def measurement_content(measurement: SetMeasurement) -> str:
    """The digest of everything a measurement of a set says."""
    asked = [measurement.request, measurement.request_digest]
    return _as_stored([*asked, measurement.status, measurement.result, _time(measurement.created_at)])


def pairs_content(listed: PairList, pairs: list[Pair]) -> str:
    """The digest of a list and of its pairs; closing the list does not change it."""
    rows = sorted([one.position, one.key, one.truth, one.first_image_id, one.second_image_id] for one in pairs)
    return _as_stored([listed.name, listed.recipe, listed.status, listed.size, _time(listed.created_at), rows])


def judgement_content(said: PairReading) -> str:
    """The digest of one judgement, or of the taking back of one."""
    times = [_time(said.read_at), _time(said.created_at)]
    return _as_stored([said.op_id, said.pair_id, said.reader_id, said.voids_id, said.verdict, said.elapsed_ms, *times])


def _as_stored(value: Any) -> str:
    """The digest of `value` as it comes back from a JSON column: keys are texts there, tuples lists."""
    return digest_of(json.loads(canonical_json(value)))


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


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
