"""Compare the verdicts of checks with the verdicts of readers."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.estimates import Estimate, proportion_over_images
from curation.provenance.public_web import describe_backbone
from curation.queries import newest_screenings
from curation.tables.generation import ScreenedImage, Screening, ScreeningCheck, ScreeningVerdict
from curation.tables.reading import Verdict, WorklistItem
from review_ui.figures.readings import GivenReading

EVERY_CHECK = "every check together"


@dataclass(frozen=True, slots=True)
class CheckAgainstReaders:
    """The share of readings that reject, among images that a check passed, flagged or blocked; None where none are.

    Blocked ones are read only as an audit of the gate, and never those blocked as near copies.
    """

    check: str
    passed: Estimate | None
    flagged: Estimate | None
    blocked: Estimate | None


def screening_against_readers(
    session: Session, worklist_id: int, rows: Sequence[GivenReading]
) -> list[CheckAgainstReaders]:
    """The share rejected by readers, by the verdict of screening: all checks together, then each by name."""
    latest = newest_screenings()
    listed = select(WorklistItem.image_id).where(WorklistItem.worklist_id == worklist_id)
    overall = select(ScreenedImage.image_id, ScreenedImage.verdict)
    overall = overall.where(ScreenedImage.screening_id.in_(latest), ScreenedImage.image_id.in_(listed))
    verdicts = {EVERY_CHECK: dict(session.execute(overall).all())}
    by_check = select(ScreeningCheck.name, ScreeningCheck.image_id, ScreeningCheck.verdict)
    by_check = by_check.where(ScreeningCheck.screening_id.in_(latest), ScreeningCheck.image_id.in_(listed))
    for name, image_id, verdict in session.execute(by_check.order_by(ScreeningCheck.name)):
        verdicts.setdefault(name, {})[image_id] = verdict
    return [_check_against_readers(name, by_image, rows) for name, by_image in verdicts.items() if by_image]


def screened_with(session: Session, worklist_id: int) -> list[str]:
    """Name the backbones whose features the newest screenings of a worklist's images rest on."""
    listed = select(WorklistItem.image_id).where(WorklistItem.worklist_id == worklist_id)
    screened = select(ScreenedImage.screening_id).where(
        ScreenedImage.screening_id.in_(newest_screenings()), ScreenedImage.image_id.in_(listed)
    )
    parameters = session.scalars(select(Screening.parameters).where(Screening.id.in_(screened)))
    return sorted({describe_backbone(saved) for saved in parameters if saved.get("backbone")})


def _check_against_readers(
    name: str, verdicts: dict[int, ScreeningVerdict], rows: Sequence[GivenReading]
) -> CheckAgainstReaders:
    order = (ScreeningVerdict.PASS, ScreeningVerdict.FLAG, ScreeningVerdict.BLOCK)
    shares = [_share_rejected([row for row in rows if verdicts.get(row.image_id) is verdict]) for verdict in order]
    return CheckAgainstReaders(name, *shares)


def _share_rejected(rows: Sequence[GivenReading]) -> Estimate | None:
    if not rows:
        return None
    return proportion_over_images(rows, lambda row: row.verdict is Verdict.REJECT, lambda row: row.image_id)
