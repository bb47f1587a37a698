"""Outcomes: what the readings of an image amount to. A pure function of the readings that stand and the rule.

Unsure never counts as accept. Readings of people outweigh those of proxies: a proxy decides only where no person has
read, and the outcome then says `proxy_only`. Where an adjudicator has spoken, the outcome is theirs and keeps them all.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from sqlalchemy import ColumnElement, ScalarSelect, and_, delete, exists, func, insert, select
from sqlalchemy.orm import Session, aliased

from curation.digests import digest_of
from curation.errors import NotFound
from curation.tables.images import ImageLabel, Label
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import (
    Assignment,
    AssignmentPurpose,
    Outcome,
    OutcomeVerdict,
    Purpose,
    Reading,
    Verdict,
    Worklist,
    WorklistItem,
    WorklistKind,
)

CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class StandingReading:
    """A reading that nobody took back; `label` is None where it is the class that was asked for."""

    id: int
    verdict: Verdict
    label: str | None
    is_proxy: bool
    is_grid: bool = False
    is_adjudication: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """How many readers an image needs, and how their verdicts add up."""

    kind: Literal["single", "majority", "unanimous", "adjudicated"]
    readers: int

    @property
    def digest(self) -> str:
        """What keys the outcomes of this rule."""
        return digest_of({"kind": self.kind, "readers": self.readers})


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome before it has a row."""

    verdict: OutcomeVerdict
    label: str | None
    reading_ids: tuple[int, ...]
    proxy_only: bool
    grid: bool = False
    adjudicated: bool = False


def decide(readings: Sequence[StandingReading], rule: OutcomeRule) -> Decision:
    """What `readings` of one image amount to, in whatever order they come; readings must not be empty."""
    people = [reading for reading in readings if not reading.is_proxy]
    if not people:
        verdict, label = _add_up(readings, OutcomeRule("majority", 1))
        return Decision(verdict, label, _ids(readings), proxy_only=True)
    grid = any(reading.is_grid for reading in people)
    last = max((one for one in people if one.is_adjudication), key=lambda one: one.id, default=None)
    if last is not None and rule.kind == "adjudicated":
        # The adjudicator has the last word; after a reveal that is the verdict given then.
        verdict, label = _add_up([last], OutcomeRule("single", 1))
        return Decision(verdict, label, _ids(people), proxy_only=False, grid=grid, adjudicated=True)
    first = [reading for reading in people if not reading.is_adjudication]
    verdict, label = _add_up(first, rule) if first else (OutcomeVerdict.UNRESOLVED, None)
    return Decision(verdict, label, _ids(people), proxy_only=False, grid=grid)


def is_disputed(readings: Sequence[StandingReading], rule: OutcomeRule) -> bool:
    """Whether enough people have read an image and yet do not agree, on the verdict or on the class."""
    first = [reading for reading in readings if not reading.is_proxy and not reading.is_adjudication]
    return len(first) >= rule.readers and _add_up(first, rule)[0] is OutcomeVerdict.UNRESOLVED


def decisive(readings: Sequence[StandingReading]) -> int:
    """How many people did not say unsure."""
    return sum(reading.verdict is not Verdict.UNSURE for reading in readings if not reading.is_proxy)


def _ids(readings: Sequence[StandingReading]) -> tuple[int, ...]:
    return tuple(sorted(reading.id for reading in readings))


def _add_up(readings: Sequence[StandingReading], rule: OutcomeRule) -> tuple[OutcomeVerdict, str | None]:
    verdict = _verdict(Counter(reading.verdict for reading in readings), rule)
    if verdict is not OutcomeVerdict.APPROVED:
        return verdict, None
    labels = {reading.label for reading in readings if reading.verdict is Verdict.ACCEPT}
    return (verdict, labels.pop()) if len(labels) == 1 else (OutcomeVerdict.UNRESOLVED, None)


def _verdict(verdicts: Counter[Verdict], rule: OutcomeRule) -> OutcomeVerdict:
    accepts, rejects, read = verdicts[Verdict.ACCEPT], verdicts[Verdict.REJECT], verdicts.total()
    if rule.kind == "unanimous" and rejects:
        return OutcomeVerdict.REJECTED
    if read < rule.readers:
        return OutcomeVerdict.UNRESOLVED
    if rule.kind == "unanimous":
        return OutcomeVerdict.APPROVED if accepts >= rule.readers else OutcomeVerdict.UNRESOLVED
    if rule.kind == "adjudicated":
        agreed = {accepts: OutcomeVerdict.APPROVED, rejects: OutcomeVerdict.REJECTED}
        return agreed.get(read, OutcomeVerdict.UNRESOLVED)
    voters = max(rule.readers, accepts + rejects)
    if 2 * accepts > voters:
        return OutcomeVerdict.APPROVED
    return OutcomeVerdict.REJECTED if 2 * rejects > voters else OutcomeVerdict.UNRESOLVED


def recompute_outcomes(session: Session, worklist_id: int) -> dict[str, int]:
    """Replace the outcomes of a worklist under its present rule; returns counts by verdict. Raises NotFound."""
    # Locked, so that two at once give the outcomes one after the other; readings go on meanwhile.
    locked = select(Worklist).where(Worklist.id == worklist_id).with_for_update(key_share=True)
    worklist = session.scalars(locked).one_or_none()
    if worklist is None:
        raise NotFound(f"there is no worklist {worklist_id}.")
    rule = OutcomeRule(**worklist.rule)
    decisions = decisions_of(session, worklist)
    session.execute(delete(Outcome).where(Outcome.worklist_id == worklist_id, Outcome.rule_digest == rule.digest))
    rows: list[dict[str, Any]] = [
        {
            "worklist_id": worklist_id,
            "image_id": image_id,
            "rule_digest": rule.digest,
            "verdict": decision.verdict,
            "label": decision.label,
            "reading_ids": list(decision.reading_ids),
            "proxy_only": decision.proxy_only,
            "grid": decision.grid,
            "adjudicated": decision.adjudicated,
        }
        for image_id, decision in sorted(decisions.items())
    ]
    for start in range(0, len(rows), CHUNK):
        session.execute(insert(Outcome), rows[start : start + CHUNK])
    return dict(Counter(decision.verdict.value for decision in decisions.values()))


def decisions_of(session: Session, worklist: Worklist) -> dict[int, Decision]:
    """What the readings of a worklist amount to at this moment, by image id; writes nothing."""
    return {image: decision for image, _, decision in decisions_in_order(session, worklist)}


def decisions_in_order(session: Session, worklist: Worklist) -> Iterator[tuple[int, list[StandingReading], Decision]]:
    """Image by image in the order of their ids: the readings that stand and what they amount to, in flat memory."""
    if worklist.kind is not WorklistKind.VERDICT:
        return
    rule = OutcomeRule(**worklist.rule)
    for image, readings in _standing(session, WorklistItem.worklist_id == worklist.id):
        yield image, readings, decide(readings, rule)


def standing_readings(session: Session, item_id: int) -> list[StandingReading]:
    """The readings of one candidate that count towards its outcome."""
    return [one for _, readings in _standing(session, WorklistItem.id == item_id) for one in readings]


def _standing(session: Session, which: ColumnElement[bool]) -> Iterator[tuple[int, list[StandingReading]]]:
    """Readings of candidates that were not taken back, image by image.

    Hidden repeats measure the reader and do not count again. An audit takes the place of the same reader's verdict in
    the grid.
    """
    query = (
        select(
            WorklistItem.image_id,
            Reading.id,
            Reading.reader_id,
            Reading.verdict,
            Reading.corrected_label,
            Reading.mode,
            Assignment.purpose,
            Reader.kind,
            class_asked().label("asked"),
        )
        .select_from(Reading)
        .join(Assignment, Assignment.id == Reading.assignment_id)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .join(Reader, Reader.id == Reading.reader_id)
        .where(which, WorklistItem.purpose == Purpose.CANDIDATE, stands())
        .where(Assignment.purpose != AssignmentPurpose.REPEAT)
        .order_by(WorklistItem.image_id, Reading.id)
        .execution_options(yield_per=CHUNK)
    )
    for image_id, group in groupby(session.execute(query), key=lambda row: row.image_id):
        rows = list(group)
        audited = {row.reader_id for row in rows if row.purpose is AssignmentPurpose.GRID_AUDIT}
        standing = [
            StandingReading(
                row.id,
                row.verdict,
                None if row.corrected_label == row.asked else row.corrected_label,
                row.kind is ReaderKind.PROXY,
                row.mode == "grid",
                row.purpose is AssignmentPurpose.ADJUDICATION,
            )
            for row in rows
            if row.mode != "grid" or row.reader_id not in audited
        ]
        if standing:
            yield image_id, standing


def stands() -> ColumnElement[bool]:
    """The condition on `Reading` that it is a verdict which nobody took back."""
    void = aliased(Reading)
    return and_(Reading.verdict.is_not(None), ~exists().where(void.voids_id == Reading.id))


def class_asked() -> ScalarSelect[str]:
    """The class that the image of a `WorklistItem` was asked to show; NULL for a real one."""
    return (
        select(func.min(Label.name))
        .join(ImageLabel, ImageLabel.label_id == Label.id)
        .where(ImageLabel.image_id == WorklistItem.image_id, ImageLabel.source == "request", ImageLabel.value >= 0.5)
        .scalar_subquery()
    )
