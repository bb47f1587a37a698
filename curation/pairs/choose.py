"""Which pairs: suspects of the privacy checks, and real training images of known truth that look like them."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.provenance.real_images import is_ready_real
from curation.queries import has_shape, is_positive, newest_screenings
from curation.tables.generation import PRIVACY_CHECKS, ScreenedImage, ScreeningCheck, ScreeningVerdict
from curation.tables.images import Image, ImageLabel, Shape, Split, Subject
from curation.tables.pairs import PairTruth

Some = TypeVar("Some")


@dataclass(frozen=True, slots=True)
class ChosenPair:
    """Two images by id, and what is known of them."""

    first_id: int
    second_id: int
    truth: PairTruth


@dataclass(frozen=True, slots=True)
class TrainingImage:
    """A real training image as far as pairs need it."""

    image_id: int
    subject_id: int
    label_id: int
    pixel_sha256: str
    file_sha256: str


def suspects(session: Session, wanted: int, seed: int) -> list[ChosenPair]:
    """Candidates that a privacy check blocked, then flagged ones, each beside the training image it is nearest to."""
    latest = newest_screenings()
    gravest: dict[int, int] = {}
    said = select(ScreeningCheck.image_id, ScreeningCheck.verdict).where(
        ScreeningCheck.screening_id.in_(latest),
        ScreeningCheck.name.in_(PRIVACY_CHECKS),
        ScreeningCheck.verdict != ScreeningVerdict.PASS,
    )
    for image_id, verdict in session.execute(said):
        gravest[image_id] = min(gravest.get(image_id, 1), int(verdict is not ScreeningVerdict.BLOCK))
    query = select(ScreenedImage, Image.pixel_sha256).join(Image, Image.id == ScreenedImage.image_id)
    rows = session.execute(
        query.where(ScreenedImage.screening_id.in_(latest), ScreenedImage.image_id.in_(gravest))
    ).all()
    standing = set(session.scalars(select(Image.id).where(is_ready_real())))
    found = []
    for screened, digest in rows:
        near = [one for one in screened.neighbours if one["image_id"] in standing]
        if near:
            nearest = min(near, key=lambda one: float(one["distance"]))
            order = (gravest[screened.image_id], _seeded_order(seed, digest))
            found.append((order, ChosenPair(screened.image_id, nearest["image_id"], PairTruth.SUSPECT)))
    return [pair for _, pair in sorted(found, key=lambda entry: entry[0])][:wanted]


def training_images(session: Session, shape: Shape, seed: int) -> list[TrainingImage]:
    """Real training images of one shape and depth, by the seed's lot; an image of several classes under the first."""
    query = (
        select(Image.id, Image.subject_id, func.min(ImageLabel.label_id), Image.pixel_sha256, Image.file_sha256)
        .join(Subject, Subject.id == Image.subject_id)
        .join(ImageLabel, ImageLabel.image_id == Image.id)
        .where(
            is_ready_real(),
            Subject.split == Split.TRAIN,
            is_positive("import"),
            has_shape(shape),
        )
        .group_by(Image.id, Image.subject_id, Image.pixel_sha256, Image.file_sha256)
    )
    rows = [TrainingImage(*row) for row in session.execute(query).all() if row[1] is not None]  # type: ignore[arg-type]
    return sorted(rows, key=lambda one: (_seeded_order(seed, one.pixel_sha256), one.image_id))


def same_subject(images: Sequence[TrainingImage], wanted: int) -> list[ChosenPair]:
    """Two different pictures of one subject, one pair for a subject."""
    own: dict[int, list[TrainingImage]] = defaultdict(list)
    for image in images:
        own[image.subject_id].append(image)
    pairs = [
        ChosenPair(some[0].image_id, some[1].image_id, PairTruth.SAME)
        for some in own.values()
        if len(some) > 1 and some[0].pixel_sha256 != some[1].pixel_sha256
    ]
    return pairs[:wanted]


def different_subjects(images: Sequence[TrainingImage], wanted: int) -> list[ChosenPair]:
    """Two subjects of one class; no image is in two pairs while there are others."""
    by_class: dict[int, list[TrainingImage]] = defaultdict(list)
    for image in images:
        by_class[image.label_id].append(image)
    queues = [
        [
            ChosenPair(one.image_id, two.image_id, PairTruth.DIFFERENT)
            for one, two in list(pairwise(some))[::2]
            if one.subject_id != two.subject_id and one.pixel_sha256 != two.pixel_sha256
        ]
        for some in by_class.values()
    ]
    return list(_in_turns(queues))[:wanted]


def _seeded_order(seed: int, key: str) -> str:
    """An order that depends on the seed and the pixels alone."""
    return hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()


def _in_turns(queues: Iterable[list[Some]]) -> Iterable[Some]:
    left = [list(reversed(queue)) for queue in queues]
    while left:
        left = [queue for queue in left if queue]
        for queue in left:
            yield queue.pop()
