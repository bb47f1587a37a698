"""Count what screening said of synthetic images, and what worklists leave out by default, by class."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from curation.queries import class_asked, newest_screenings
from curation.reading.recipe import WorklistRecipe
from curation.tables.generation import ScreenedImage, ScreeningVerdict
from curation.tables.images import Image
from curation.tables.reading import Purpose, Worklist, WorklistItem

ADMITTED: tuple[str, ...] = WorklistRecipe.model_fields["include"].default
NO_CLASS = "no class"


@dataclass(frozen=True, slots=True)
class ScreenedCounts:
    """How many images the newest screening passed, flagged and blocked, by the class they were asked to show."""

    by_class: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def verdicts(self) -> dict[str, int]:
        """The counts over all classes: `pass`, `flag`, `block`."""
        classes = self.by_class.values()
        return {verdict.value: sum(counts[verdict.value] for counts in classes) for verdict in ScreeningVerdict}

    @property
    def left_out(self) -> dict[str, int]:
        """How many images of each class a worklist leaves out unless it is told otherwise; classes without are 0."""
        return {
            name: sum(count for verdict, count in counts.items() if verdict not in ADMITTED)
            for name, counts in self.by_class.items()
        }

    def record(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return {**self.verdicts, "by_class": self.by_class, "left_out_by_default": self.left_out}

    def lines(self) -> dict[str, Any]:
        """Give the facts for the eye: the counts, the default, and what it costs."""
        admitted = " or ".join({"pass": "passed", "flag": "was flagged"}[verdict] for verdict in ADMITTED)
        costs = [
            f"{count} of {sum(self.by_class[name].values())} {name}" for name, count in self.left_out.items() if count
        ]
        cost = f"leaves out {', '.join(costs)}" if costs else "leaves out none of these"
        return {**self.verdicts, "default": f"a worklist takes what {admitted}: that {cost}"}


def is_candidate_of(worklist: Worklist) -> ColumnElement[bool]:
    """Whether an `Image` is a candidate of this worklist."""
    candidates = (WorklistItem.worklist_id == worklist.id, WorklistItem.purpose == Purpose.CANDIDATE)
    return Image.id.in_(select(WorklistItem.image_id).where(*candidates))


def count_screened(session: Session, *which: ColumnElement[bool]) -> ScreenedCounts:
    """Count the verdicts of the newest screenings on such images that were not withdrawn."""
    asked = class_asked(Image.id)
    screened = (
        select(asked.label("label"), ScreenedImage.verdict.label("verdict"))
        .select_from(Image)
        .join(ScreenedImage, ScreenedImage.image_id == Image.id)
        .where(ScreenedImage.screening_id.in_(newest_screenings()), Image.withdrawn_at.is_(None), *which)
        .subquery()
    )
    rows = session.execute(
        select(screened.c.label, screened.c.verdict, func.count())
        .group_by(screened.c.label, screened.c.verdict)
        .order_by(screened.c.label)
    )
    by_class: dict[str, dict[str, int]] = {}
    for label, verdict, count in rows:
        counts = by_class.setdefault(label or NO_CLASS, {verdict.value: 0 for verdict in ScreeningVerdict})
        counts[verdict.value] = count
    return ScreenedCounts(by_class)
