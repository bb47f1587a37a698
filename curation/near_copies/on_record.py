"""What the last search found: held-out images that look like an image that is trained on."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from curation.near_copies.search import METHOD
from curation.provenance.real_images import is_ready_real
from curation.tables.images import Image, Split, Subject
from curation.tables.near_copies import NearCopy, NearCopySearch

SEARCHED = "near_copies.searched"
HELD_OUT = (Split.VALIDATION, Split.TEST)
REMEDY = (
    "They may show the same scan, and figures on them flatter. Evaluations and studies give every figure without them "
    "too. `rounds near-copies list` names them; `rounds near-copies group`, or `rounds import --group-near-copies` "
    "into a new project, binds such images into one subject."
)

NOT_SEARCHED = (
    "Not every image of the project was compared with those of other subjects yet, so nothing is known of near copies. "
    "`rounds near-copies find` compares them."
)


@dataclass(frozen=True, slots=True)
class NearCopyCount:
    """How many images of a held-out split there are, and how many of them look like a training image."""

    split: Split
    images: int
    near_copies: int


def is_searched(session: Session) -> bool:
    """Tell whether every real image that counts was compared by the method of this version."""
    newest = session.scalar(select(func.max(Image.id)).where(is_ready_real())) or 0
    return newest <= searched_through(session)


def searched_through(session: Session) -> int:
    """The id of the newest image that the method of this version has compared; 0 before the first search."""
    through = select(func.max(NearCopySearch.through_image_id)).where(NearCopySearch.method == METHOD)
    return session.scalar(through) or 0


def near_copies_of(session: Session, splits: Collection[Split] = (Split.TRAIN,)) -> dict[int, int]:
    """The held-out images that look like an image of another subject of `splits`, each with the one most like it."""
    image, like = aliased(Image), aliased(Image)
    of_image, of_like = aliased(Subject), aliased(Subject)
    query = (
        select(NearCopy.image_id, NearCopy.like_image_id)
        .join(image, image.id == NearCopy.image_id)
        .join(of_image, of_image.id == image.subject_id)
        .join(like, like.id == NearCopy.like_image_id)
        .join(of_like, of_like.id == like.subject_id)
        .where(image.withdrawn_at.is_(None), like.withdrawn_at.is_(None), image.subject_id != like.subject_id)
        .where(of_image.split.in_(HELD_OUT), of_like.split.in_(splits))
        .order_by(NearCopy.correlation, NearCopy.like_image_id.desc())
    )
    return {image_id: like_id for image_id, like_id in session.execute(query)}


def count_near_copies(session: Session) -> list[NearCopyCount]:
    """Count the images of each held-out split that has any, and those that look like a training image."""
    totals = select(Subject.split, func.count()).select_from(Image).join(Subject, Subject.id == Image.subject_id)
    images = {split: count for split, count in session.execute(totals.where(is_ready_real()).group_by(Subject.split))}
    copies = near_copies_of(session)
    splits = select(Image.id, Subject.split).join(Subject, Subject.id == Image.subject_id)
    rows = session.execute(splits.where(Image.id.in_(select(NearCopy.image_id)))).all()
    counts = Counter(row.split for row in rows if row.id in copies)
    return [NearCopyCount(split, images[split], counts[split]) for split in HELD_OUT if split in images]


@dataclass(frozen=True, slots=True)
class ListedNearCopy:
    """A held-out image, and the image of another subject that it looks most like, by id, subject key and split."""

    image: int
    subject: str
    split: Split
    like_image: int
    like_subject: str
    like_split: Split
    correlation: float


def list_near_copies(session: Session) -> list[ListedNearCopy]:
    """List the held-out images that look like an image of another subject that may be trained on."""
    image, like = aliased(Image), aliased(Image)
    of_image, of_like = aliased(Subject), aliased(Subject)
    query = (
        select(image.id, of_image.key, of_image.split, like.id, of_like.key, of_like.split, NearCopy.correlation)
        .select_from(NearCopy)
        .join(image, image.id == NearCopy.image_id)
        .join(of_image, of_image.id == image.subject_id)
        .join(like, like.id == NearCopy.like_image_id)
        .join(of_like, of_like.id == like.subject_id)
        .where(of_image.id != of_like.id)
        .order_by(image.id, like.id)
    )
    return [ListedNearCopy(*row) for row in session.execute(query)]


def near_copies_note(session: Session) -> str | None:
    """Say how many held-out images look like a training image of another subject, and what helps; None for none.

    While images wait to be compared it says that instead.
    """
    if not is_searched(session):
        return NOT_SEARCHED
    counts = count_near_copies(session)
    found, images = (sum(getattr(count, name) for count in counts) for name in ("near_copies", "images"))
    if not found:
        return None
    by_split = ", ".join(f"{count.split.value} {count.near_copies} of {count.images}" for count in counts)
    return f"{found} of {images} held-out images ({by_split}) look like a training image of another subject. {REMEDY}"
