"""Choose pairs: suspects of the privacy checks, and real training images of known truth."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.provenance.real_images import is_ready_real
from curation.queries import has_shape, is_positive, newest_screenings
from curation.tables.generation import PRIVACY_CHECKS, ScreenedImage, ScreeningCheck, ScreeningVerdict
from curation.tables.images import Image, ImageLabel, Shape, Split, Subject
from curation.tables.pairs import PairTruth


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


def find_suspects(session: Session, wanted: int, seed: int) -> list[ChosenPair]:
    """Find candidates that a privacy check blocked, then flagged ones, each beside its nearest training image."""
    latest = newest_screenings()
    severity: dict[int, int] = {}  # 0 blocked, 1 flagged
    verdicts = select(ScreeningCheck.image_id, ScreeningCheck.verdict).where(
        ScreeningCheck.screening_id.in_(latest),
        ScreeningCheck.name.in_(PRIVACY_CHECKS),
        ScreeningCheck.verdict != ScreeningVerdict.PASS,
    )
    for image_id, verdict in session.execute(verdicts):
        severity[image_id] = min(severity.get(image_id, 1), int(verdict is not ScreeningVerdict.BLOCK))
    query = select(ScreenedImage, Image.pixel_sha256).join(Image, Image.id == ScreenedImage.image_id)
    query = query.where(ScreenedImage.screening_id.in_(latest), ScreenedImage.image_id.in_(severity))
    real_ids = set(session.scalars(select(Image.id).where(is_ready_real())))
    ranked = []
    for screened, digest in session.execute(query):
        neighbours = [neighbour for neighbour in screened.neighbours if neighbour["image_id"] in real_ids]
        if neighbours:
            nearest = min(neighbours, key=lambda neighbour: float(neighbour["distance"]))
            order = (severity[screened.image_id], _seeded_order(seed, digest))
            ranked.append((order, ChosenPair(screened.image_id, nearest["image_id"], PairTruth.SUSPECT)))
    return [pair for _, pair in sorted(ranked, key=lambda entry: entry[0])][:wanted]


def find_training_images(session: Session, shape: Shape, seed: int) -> list[TrainingImage]:
    """Find real training images of one shape and depth, in seeded order; of several classes the first counts."""
    query = (
        select(Image.id, Image.subject_id, func.min(ImageLabel.label_id), Image.pixel_sha256, Image.file_sha256)
        .join(Subject, Subject.id == Image.subject_id)
        .join(ImageLabel, ImageLabel.image_id == Image.id)
        .where(is_ready_real(), Subject.split == Split.TRAIN, is_positive("import"), has_shape(shape))
        .group_by(Image.id, Image.subject_id, Image.pixel_sha256, Image.file_sha256)
    )
    rows = [TrainingImage(*row) for row in session.execute(query).all() if row[1] is not None]  # type: ignore[arg-type]
    return sorted(rows, key=lambda image: (_seeded_order(seed, image.pixel_sha256), image.image_id))


def pair_within_subjects(images: Sequence[TrainingImage], wanted: int) -> list[ChosenPair]:
    """Pair two different images of one subject, one pair for each subject."""
    by_subject: dict[int, list[TrainingImage]] = defaultdict(list)
    for image in images:
        by_subject[image.subject_id].append(image)
    pairs = [
        ChosenPair(members[0].image_id, members[1].image_id, PairTruth.SAME)
        for members in by_subject.values()
        if len(members) > 1 and members[0].pixel_sha256 != members[1].pixel_sha256
    ]
    return pairs[:wanted]


def pair_across_subjects(images: Sequence[TrainingImage], wanted: int) -> list[ChosenPair]:
    """Pair images of two subjects of one class, each image in one pair."""
    by_class: dict[int, list[TrainingImage]] = defaultdict(list)
    for image in images:
        by_class[image.label_id].append(image)
    queues = [
        [
            ChosenPair(first.image_id, second.image_id, PairTruth.DIFFERENT)
            for first, second in list(pairwise(members))[::2]
            if first.subject_id != second.subject_id and first.pixel_sha256 != second.pixel_sha256
        ]
        for members in by_class.values()
    ]
    turns = zip_longest(*queues)  # the classes take turns
    return [pair for turn in turns for pair in turn if pair is not None][:wanted]


def _seeded_order(seed: int, key: str) -> str:
    """Hash the seed and the pixels to a sort key, so that the order depends on nothing else."""
    return hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()
