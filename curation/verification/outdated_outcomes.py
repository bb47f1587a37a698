"""Compare the stored outcomes of each worklist with those that its readings give now.

Outcomes are worked out when a worklist is listed, changed or closed. While it is read they may be older than its
readings, which is harmless; once it is closed no reading is added, so that a difference was made beside the commands.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.reading.outcome_rule import OutcomeRule
from curation.reading.outcomes import iterate_decisions
from curation.tables.images import BuildStatus
from curation.tables.reading import Outcome, Worklist, WorklistKind

EXAMPLES = 5
AGAIN = "`rounds worklist list` works them out again"


@dataclass(frozen=True, slots=True)
class OutdatedOutcomes:
    """A worklist whose stored outcomes are not what its readings give: in which way, and whether it is closed."""

    line: str
    closed: bool


def outdated_outcomes(session: Session) -> Iterator[OutdatedOutcomes]:
    """Describe each worklist with images whose outcome is missing, or rests on other readings than it would now."""
    verdicts = select(Worklist).where(Worklist.kind == WorklistKind.VERDICT, Worklist.status == BuildStatus.READY)
    for worklist in session.scalars(verdicts.order_by(Worklist.id)).all():
        images = list(_differing_images(session, worklist))
        if images:
            named = ", ".join(map(str, images[:EXAMPLES])) + (", ..." if len(images) > EXAMPLES else "")
            difference = "is missing, or is not what its readings give now"
            line = f"worklist {worklist.name!r}: the stored outcome of {len(images)} images ({named}) {difference}"
            yield OutdatedOutcomes(f"{line}: {AGAIN}", worklist.closed_at is not None)


def _differing_images(session: Session, worklist: Worklist) -> Iterator[int]:
    """Walk over decisions and stored outcomes in the order of images, side by side.

    Readings decide an outcome under a rule, so it is enough to compare which ones it rests on.
    """
    rule = OutcomeRule(**worklist.rule)
    stored = _Stored(session, worklist.id, rule.digest)
    for image_id, _, decision in iterate_decisions(session, worklist):
        yield from stored.before(image_id)
        if stored.take(image_id) != list(decision.reading_ids):
            yield image_id
    yield from stored.before(None)


class _Stored:
    """The stored outcomes of a worklist under its rule, of which the next is known before it is taken."""

    def __init__(self, session: Session, worklist_id: int, rule_digest: str) -> None:
        which = (Outcome.worklist_id == worklist_id, Outcome.rule_digest == rule_digest)
        query = select(Outcome.image_id, Outcome.reading_ids).where(*which).order_by(Outcome.image_id)
        self._rows = iter(session.execute(query.execution_options(yield_per=1_000)))
        self._next = next(self._rows, None)

    def before(self, image_id: int | None) -> Iterator[int]:
        """Take the outcomes of images before this one, or all that are left, and yield those images."""
        while self._next is not None and (image_id is None or self._next.image_id < image_id):
            yield self._next.image_id
            self._next = next(self._rows, None)

    def take(self, image_id: int) -> list[int] | None:
        """Take the readings that the outcome of this image rests on; None where it has none."""
        if self._next is None or self._next.image_id != image_id:
            return None
        readings: list[int] = self._next.reading_ids
        self._next = next(self._rows, None)
        return readings
