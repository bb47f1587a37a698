"""Find the readings that stand, decide the outcome of each image, and store it."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, insert, select
from sqlalchemy.orm import Session, aliased

from curation.errors import NotFound
from curation.queries import class_asked
from curation.reading.outcome_rule import Decision, OutcomeRule, StandingReading, decide
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import (
    Assignment,
    AssignmentPurpose,
    Outcome,
    Purpose,
    Reading,
    Worklist,
    WorklistItem,
    WorklistKind,
)

CHUNK = 1_000


def recompute_outcomes(session: Session, worklist_id: int) -> dict[str, int]:
    """Recompute and store a worklist's outcomes by its present rule; returns counts by verdict. Raises NotFound."""
    # Locked, so that two callers come one after the other; readings go on meanwhile.
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
    """Decide the outcomes of a worklist as it stands, by image id; writes nothing."""
    return {image: decision for image, _, decision in iterate_decisions(session, worklist)}


def iterate_decisions(session: Session, worklist: Worklist) -> Iterator[tuple[int, list[StandingReading], Decision]]:
    """Yield image id, standing readings and decision, in the order of image ids and in flat memory."""
    if worklist.kind is not WorklistKind.VERDICT:
        return
    rule = OutcomeRule(**worklist.rule)
    for image, readings in iterate_standing(session, WorklistItem.worklist_id == worklist.id):
        yield image, readings, decide(readings, rule)


def load_standing_readings(session: Session, item_id: int) -> list[StandingReading]:
    """Load the readings of one candidate that count towards its outcome."""
    return [reading for _, readings in iterate_standing(session, WorklistItem.id == item_id) for reading in readings]


def iterate_standing(session: Session, which: ColumnElement[bool]) -> Iterator[tuple[int, list[StandingReading]]]:
    """Yield the standing readings of candidates, image by image.

    Hidden repeats measure the reader and do not count. An audit replaces the same reader's verdict in the grid.
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
            class_asked(WorklistItem.image_id).label("asked"),
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
    """The condition that a `Reading` is a verdict and was not taken back."""
    void = aliased(Reading)
    return and_(Reading.verdict.is_not(None), ~exists().where(void.voids_id == Reading.id))
