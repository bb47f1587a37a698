"""Gather what the newest screening of each batch said of a snapshot's synthetic images."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Integer, Select, func, select
from sqlalchemy.orm import Session

from curation.exports.permission import PRIVACY_PREFIX
from curation.provenance.real_images import is_ready_real
from curation.queries import newest_screenings
from curation.tables.generation import ScreenedImage, ScreeningCheck, ScreeningVerdict
from curation.tables.images import Image, Split, Subject
from curation.tables.training import SnapshotItem

NOT_SET = "not set"


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """One check over the snapshot's synthetic images."""

    name: str
    images: int
    flagged: int
    blocked: int
    without_threshold: int

    @property
    def is_privacy(self) -> bool:
        """Tell whether it looks for copies of real images."""
        return self.name.startswith(PRIVACY_PREFIX)


@dataclass(frozen=True, slots=True)
class ScreeningFacts:
    """Verdicts of the newest screenings on the snapshot's synthetic images, and how they spread over real ones."""

    screened: int
    verdicts: dict[str, int]
    checks: list[CheckFacts]
    nearest: int  # images with a nearest real training image by features
    distinct_nearest: int
    real_training: int


def screening_facts(session: Session, snapshot_id: int) -> ScreeningFacts:
    """Count verdicts, checks and nearest real images of what the snapshot took."""
    newest = newest_screenings()
    taken = select(SnapshotItem.image_id).where(SnapshotItem.snapshot_id == snapshot_id)
    verdicts: Counter[str] = Counter()
    nearest: Counter[int] = Counter()
    query = select(ScreenedImage.verdict, ScreenedImage.neighbours).where(
        ScreenedImage.screening_id.in_(newest), ScreenedImage.image_id.in_(taken)
    )
    for verdict, neighbours in session.execute(query.execution_options(yield_per=1_000)):
        verdicts[verdict.value] += 1
        first = next((entry for entry in neighbours if entry.get("by") == "features"), None)
        if first is not None:
            nearest[int(first["image_id"])] += 1
    real = (
        select(func.count(Image.id))
        .join(Subject, Subject.id == Image.subject_id)
        .where(is_ready_real(), Subject.split == Split.TRAIN)
    )
    return ScreeningFacts(
        screened=verdicts.total(),
        verdicts=dict(verdicts),
        checks=_count_checks(session, newest, taken),
        nearest=nearest.total(),
        distinct_nearest=len(nearest),
        real_training=session.scalar(real) or 0,
    )


def _count_checks(session: Session, newest: Select[int], taken: Select[int]) -> list[CheckFacts]:
    query = (
        select(
            ScreeningCheck.name,
            func.count(),
            func.sum((ScreeningCheck.verdict == ScreeningVerdict.FLAG).cast(Integer)),
            func.sum((ScreeningCheck.verdict == ScreeningVerdict.BLOCK).cast(Integer)),
            func.sum(ScreeningCheck.threshold.startswith(NOT_SET).cast(Integer)),
        )
        .where(ScreeningCheck.screening_id.in_(newest), ScreeningCheck.image_id.in_(taken))
        .group_by(ScreeningCheck.name)
        .order_by(ScreeningCheck.name)
    )
    return [CheckFacts(name, *(int(count) for count in counts)) for name, *counts in session.execute(query)]
