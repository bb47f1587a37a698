"""Candidates of closed worklists beside their nearest real training images, as screening found them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.errors import NotAllowed
from curation.queries import class_asked, newest_screenings
from curation.tables.generation import PRIVACY_CHECKS, ScreenedImage, ScreeningCheck, ScreeningVerdict
from curation.tables.images import Image
from curation.tables.reading import Purpose, Worklist, WorklistItem


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training image near a candidate: its distance, and by what (`features` or `pixels`)."""

    file_sha256: str
    distance: float
    by: str


@dataclass(frozen=True, slots=True)
class CandidateNeighbours:
    """One candidate with its neighbours, nearest first."""

    image_id: int
    file_sha256: str
    label: str
    verdict: str
    copy_checks: list[tuple[str, float, str]]  # name, value and threshold of those that flagged or blocked it
    neighbours: list[Neighbour]


def neighbours_of(session: Session, worklist_id: int, page: int, size: int) -> tuple[list[CandidateNeighbours], int]:
    """One page of the candidates of a closed worklist, and their number; raises NotAllowed while it is open.

    Withdrawn images are left out, among candidates and among neighbours.
    """
    worklist = session.get_one(Worklist, worklist_id)
    if worklist.closed_at is None:
        raise NotAllowed("the nearest real images are shown once the worklist is closed.")
    query = (
        select(Image.id, Image.file_sha256, func.coalesce(class_asked(WorklistItem.image_id), "unknown"), ScreenedImage)
        .select_from(WorklistItem)
        .join(Image, Image.id == WorklistItem.image_id)
        .join(ScreenedImage, ScreenedImage.image_id == Image.id)
        .where(WorklistItem.worklist_id == worklist_id, WorklistItem.purpose == Purpose.CANDIDATE)
        .where(ScreenedImage.screening_id.in_(newest_screenings()), Image.withdrawn_at.is_(None))
    )
    total = session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    rows = session.execute(query.order_by(WorklistItem.position).offset(page * size).limit(size)).all()
    ids = {near["image_id"] for row in rows for near in row[3].neighbours}
    copy_checks = _copy_checks(session, [row[3] for row in rows])
    standing = select(Image.id, Image.file_sha256).where(Image.id.in_(ids), Image.withdrawn_at.is_(None))
    files = {image_id: digest for image_id, digest in session.execute(standing)}
    return [
        CandidateNeighbours(
            image_id,
            digest,
            label,
            screened.verdict.value,
            copy_checks[image_id],
            [
                Neighbour(files[n["image_id"]], float(n["distance"]), str(n["by"]))
                for n in screened.neighbours
                if n["image_id"] in files
            ],
        )
        for image_id, digest, label, screened in rows
    ], total


def _copy_checks(session: Session, screened: Sequence[ScreenedImage]) -> dict[int, list[tuple[str, float, str]]]:
    """The copy checks that flagged or blocked each image in its newest screening."""
    query = select(ScreeningCheck).where(
        ScreeningCheck.screening_id.in_({row.screening_id for row in screened}),
        ScreeningCheck.image_id.in_([row.image_id for row in screened]),
        ScreeningCheck.name.in_(PRIVACY_CHECKS),
        ScreeningCheck.verdict != ScreeningVerdict.PASS,
    )
    checks: dict[int, list[tuple[str, float, str]]] = defaultdict(list)
    for check in session.scalars(query.order_by(ScreeningCheck.name)):
        checks[check.image_id].append((check.name, check.value, check.threshold))
    return checks
