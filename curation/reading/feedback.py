"""What a reader sees after a verdict: in practice the answer, in an adjudication the others' verdicts."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.reading.order import share_of
from curation.reading.outcomes import stands
from curation.tables.reading import (
    Assignment,
    AssignmentPurpose,
    Purpose,
    Reading,
    Verdict,
    Worklist,
    WorklistItem,
    WorklistKind,
)


@dataclass(frozen=True, slots=True)
class PracticeResult:
    """Whether a verdict in practice was right, and what the image is."""

    right: bool
    truth: str  # real or defect
    text: str


@dataclass(frozen=True, slots=True)
class OtherVerdict:
    """The verdict of another reader, without a name."""

    verdict: Verdict
    reasons: tuple[str, ...]
    corrected_label: str | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What is sent back with the acknowledgement of a reading."""

    feedback: PracticeResult | None = None
    reveal: tuple[OtherVerdict, ...] | None = None


def feedback_after(session: Session, op_id: str) -> Feedback:
    """Return what the reader sees after the reading `op_id`; nothing outside practice and adjudication."""
    row = session.execute(
        select(Reading, Assignment, WorklistItem, Worklist)
        .join(Assignment, Assignment.id == Reading.assignment_id)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .join(Worklist, Worklist.id == WorklistItem.worklist_id)
        .where(Reading.op_id == op_id)
    ).one_or_none()
    if row is None:
        return Feedback()
    reading, assignment, item, worklist = row
    if worklist.kind is WorklistKind.PRACTICE:
        return Feedback(feedback=_practice_result(reading, item))
    if assignment.purpose is AssignmentPurpose.ADJUDICATION and not reading.after_reveal:
        return Feedback(reveal=_other_verdicts(session, item.id))
    return Feedback()


def _practice_result(reading: Reading, item: WorklistItem) -> PracticeResult:
    if item.purpose is Purpose.DEFECT_CONTROL:
        text = DEFECTS.get(item.truth or "", "This image was damaged on purpose.")
        return PracticeResult(reading.verdict is Verdict.REJECT, "defect", text)
    right = reading.verdict is Verdict.ACCEPT and reading.corrected_label in (None, item.truth)
    shown = (item.truth or "no class").replace("_", " ")
    return PracticeResult(right, "real", f"A real image of a person in the training set, of the class {shown}.")


DEFECTS = {
    "duplicated_structure": "Damaged on purpose: a structure was copied to another place.",
    "asymmetry": "Damaged on purpose: one half was replaced by the other, distorted.",
    "lesion_outside": "Damaged on purpose: a lesion lies outside the tissue.",
    "ghosting": "Damaged on purpose: a ghost of the image repeats across it.",
    "local_blur": "Damaged on purpose: one region was blurred.",
    "local_noise": "Damaged on purpose: noise was added to one region.",
    "wrong_label": "A real image, but the class it was shown under is not its class.",
}


def _other_verdicts(session: Session, item_id: int) -> tuple[OtherVerdict, ...]:
    """The first readings of an item, in an order that does not say who read first."""
    query = (
        select(Reading)
        .join(Assignment, Assignment.id == Reading.assignment_id)
        .where(Reading.item_id == item_id, Assignment.purpose == AssignmentPurpose.FIRST, stands())
    )
    readings = sorted(session.scalars(query), key=lambda reading: share_of(reading.op_id))
    return tuple(
        OtherVerdict(reading.verdict, tuple(reading.reasons), reading.corrected_label, reading.comment)
        for reading in readings
        if reading.verdict is not None
    )
