"""Duplicates of an image in its batch and in earlier batches.

A set that holds one image many times looks larger than it is. Exact repeats are blocked, near ones flagged; of each
group the first one stays. Mirrored and moved repeats count as other images.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from curation.database import Database
from curation.queries import has_shape
from curation.tables.generation import Batch
from curation.tables.images import BuildStatus, Image, Origin, Shape
from screening.checks.check import Check, Unset
from screening.checks.limits import LEAST_HELD_OUT
from screening.features.neighbours import Features, nearest

# Share of the distance to another person's nearest image: so close, two images are one to a reader.
DUPLICATE_SHARE = 0.2
AT_ONCE = 16_384  # fingerprints, 64 MB
DIGESTS_AT_ONCE = 500
NOTHING_NEAR = 2.0  # the largest cosine distance

Fingerprints = Callable[[Sequence[str]], Features]


@dataclass(frozen=True, slots=True)
class Earlier:
    """The finished batches before another: how many, and how many of their images have its shape."""

    before: int
    shape: Shape
    batches: int
    images: int


@dataclass
class Twins:
    """The nearest earlier image of each image: its distance and its id."""

    distances: NDArray[np.float32]
    image_ids: NDArray[np.int64]
    exact: set[int] = field(default_factory=set)  # positions of images with the pixels of an earlier one


def duplicate_distance(validation: Features, train: Features) -> float | Unset:
    """The distance below which two images are duplicates: a fifth of the median one to the nearest other person.

    By fingerprints of held-out real images against training ones; `Unset` for fewer than 40, and then only exact
    repeats are found.
    """
    if len(validation) < LEAST_HELD_OUT or not len(train):
        return Unset(f"{len(validation)} real validation images, {LEAST_HELD_OUT} are needed")
    median = float(np.median(nearest(validation, train, k=1).distances))
    return float(f"{DUPLICATE_SHARE * median:.6g}")


def find_duplicates(
    prints: Features, digests: Sequence[str], below: float | Unset, checks: Sequence[list[Check]]
) -> None:
    """Add the check `duplicate`: of images of a batch too like each other the first passes."""
    first_of: dict[str, int] = {}
    for row, digest in enumerate(digests):
        first_of.setdefault(digest, row)
    for row, image_checks in enumerate(checks):
        distance = float((1 - prints[:row] @ prints[row]).min()) if row else NOTHING_NEAR
        image_checks.append(duplicate_check("duplicate", distance, below, exact=first_of[digests[row]] < row))


def duplicate_check(name: str, distance: float, below: float | Unset, exact: bool) -> Check:
    """The check of a distance to the nearest image before."""
    threshold = "no exact repeat" if isinstance(below, Unset) else f"not below {below:.4g}"
    if exact:
        return Check(name, 0.0, threshold, "block")
    near = not isinstance(below, Unset) and distance < below
    return Check(name, max(distance, 0.0), threshold, "flag" if near else "pass")


def earlier_images(session: Session, batch_id: int, shape: Shape) -> Earlier:
    """Count the images of earlier finished batches, and those batches."""
    of_images = select(func.count(Image.id), func.count(Image.batch_id.distinct())).where(*_is_earlier(batch_id, shape))
    images, batches = session.execute(of_images).one()
    return Earlier(batch_id, shape, batches, images)


def find_earlier(
    database: Database, earlier: Earlier, prints: Features, pixel_digests: Sequence[str], fingerprints_of: Fingerprints
) -> Twins:
    """Compare fingerprints (N, 1024) with every earlier image, 16,384 at a time, and pixel digests by the index."""
    twins = Twins(np.full(len(prints), NOTHING_NEAR, np.float32), np.zeros(len(prints), np.int64))
    if not earlier.images or not len(prints):
        return twins
    for ids, files in _portions(database, earlier):
        near = nearest(prints, fingerprints_of(files), k=1)
        closer = near.distances[:, 0] < twins.distances
        twins.distances[closer] = near.distances[closer, 0]
        twins.image_ids[closer] = np.array(ids)[near.positions[closer, 0]]
    for start in range(0, len(pixel_digests), DIGESTS_AT_ONCE):
        portion = pixel_digests[start : start + DIGESTS_AT_ONCE]
        query = select(Image.pixel_sha256, func.min(Image.id)).where(
            Image.pixel_sha256.in_(portion), *_is_earlier(earlier.before, earlier.shape)
        )
        with database.read() as session:
            ids_by_digest = dict(session.execute(query.group_by(Image.pixel_sha256)).all())
        for position, digest in enumerate(portion, start):
            if digest in ids_by_digest:
                twins.exact.add(position)
                twins.image_ids[position] = ids_by_digest[digest]
    return twins


def add_earlier(twins: Twins, below: float | Unset, checks: Sequence[list[Check]]) -> None:
    """Add the check `duplicate_of_earlier` to each image's checks."""
    for row, image_checks in enumerate(checks):
        distance = float(twins.distances[row])
        image_checks.append(duplicate_check("duplicate_of_earlier", distance, below, exact=row in twins.exact))


def _is_earlier(batch_id: int, shape: Shape) -> tuple[ColumnElement[bool], ...]:
    ready = select(Batch.id).where(Batch.status == BuildStatus.READY, Batch.id < batch_id)
    return (Image.origin == Origin.SYNTHETIC, Image.batch_id.in_(ready), Image.withdrawn_at.is_(None), has_shape(shape))


def _portions(database: Database, earlier: Earlier) -> Iterator[tuple[list[int], list[str]]]:
    """Yield ids and files of earlier images, by id; no transaction is open while a portion is compared."""
    last = 0
    while True:
        query = (
            select(Image.id, Image.file_sha256)
            .where(Image.id > last, *_is_earlier(earlier.before, earlier.shape))
            .order_by(Image.id)
            .limit(AT_ONCE)
        )
        with database.read() as session:
            rows = session.execute(query).all()
        if not rows:
            return
        last = rows[-1][0]
        yield [row[0] for row in rows], [row[1] for row in rows]
