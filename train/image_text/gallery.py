"""List the images that a search may show, never those of test subjects. Torch-free."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from curation.errors import BadInput
from curation.image_store import ImageStore, Pixels, decode_png
from curation.progress import OnProgress
from curation.provenance.real_images import is_ready_real
from curation.queries import SHAPE, blocked_for_privacy, chunks
from curation.snapshots.folder import SnapshotFolder
from curation.tables.generation import Batch
from curation.tables.images import BuildStatus, Image, ImageCaption, ImageLabel, Label, Origin, Split, Subject

SHOWN_SPLITS = (Split.TRAIN, Split.VALIDATION, Split.RESERVE)
CHUNK = 256


@dataclass(frozen=True, slots=True)
class GalleryImage:
    """One image that may be shown; `key` is its number in the project, or its file in a snapshot."""

    key: str
    label: str
    split: str  # "" of a synthetic image of a project
    origin: str
    caption: str | None
    pixel_sha256: str
    file: str  # digest in the store, or the path in the snapshot folder


def check_splits(splits: Sequence[str]) -> tuple[str, ...]:
    """Return the splits; raises BadInput for test, which no search opens, and for one that is none."""
    if Split.TEST in splits:
        raise BadInput("test subjects are not shown: only `rounds evaluate` and `rounds study` open them.")
    wrong = [split for split in splits if split not in SHOWN_SPLITS]
    if wrong:
        raise BadInput(f"expected splits of {', '.join(SHOWN_SPLITS)}, got {', '.join(wrong)}.")
    return tuple(splits) or tuple(SHOWN_SPLITS)


def images_of_snapshot(folder: SnapshotFolder, splits: Sequence[str]) -> list[GalleryImage]:
    """List the distinct images of a snapshot in some splits, except what was purged."""
    purged, images = folder.tombstones.purged, {}
    for split in check_splits(splits):
        for row in folder.iter_rows(split) if split != Split.RESERVE else ():
            place = f"{split}/{row.file_name}"
            if place not in purged and row.file_sha256 not in images:
                images[row.file_sha256] = GalleryImage(
                    place, row.label, split, row.origin, row.caption, row.pixel_sha256, place
                )
    return list(images.values())


def images_of_project(session: Session, splits: Sequence[str]) -> list[list[GalleryImage]]:
    """List real images of subjects in some splits, and synthetic ones not blocked for privacy, by shape.

    Synthetic images count as of no split: they are listed where no split was asked for.
    """
    wanted = check_splits(splits)
    ready = select(Batch.id).where(Batch.status == BuildStatus.READY)
    synthetic = and_(
        Image.origin == Origin.SYNTHETIC,
        Image.batch_id.in_(ready),
        Image.withdrawn_at.is_(None),
        Image.id.not_in(blocked_for_privacy()),
    )
    is_real = and_(is_ready_real(), Subject.split.in_(wanted))
    query = (
        select(Image.id, Image.origin, Image.pixel_sha256, Image.file_sha256, Subject.split, *SHAPE, _label())
        .add_columns(ImageCaption.text)
        .outerjoin(Subject, Subject.id == Image.subject_id)
        .outerjoin(ImageCaption, ImageCaption.image_id == Image.id)
        .where(is_real if splits else or_(is_real, synthetic))
        .order_by(Image.id)
    )
    by_shape: dict[tuple[int, ...], list[GalleryImage]] = {}
    for row in session.execute(query):
        id_, origin, pixel, file, split, *shape, label, text = row
        image = GalleryImage(str(id_), label or "", split or "", origin, text, pixel, file)
        by_shape.setdefault(tuple(shape), []).append(image)
    return list(by_shape.values())


def _label() -> ColumnElement[str]:
    """The positive label of an image, by import or request, the first by name of several."""
    return (
        select(func.min(Label.name))
        .join(ImageLabel, ImageLabel.label_id == Label.id)
        .where(ImageLabel.image_id == Image.id, ImageLabel.value >= 0.5)
        .scalar_subquery()
    )


def read_chunks(
    store: ImageStore, images: Sequence[GalleryImage], on_progress: OnProgress
) -> Iterator[tuple[list[GalleryImage], Pixels]]:
    """Read images of one shape from a store, some at a time."""
    done = 0
    for chunk in chunks(images, CHUNK):
        yield chunk, store.stack([image.file for image in chunk])
        done += len(chunk)
        on_progress(done, len(images), "images")


def read_folder_chunks(
    folder: SnapshotFolder, images: Sequence[GalleryImage], on_progress: OnProgress
) -> Iterator[tuple[list[GalleryImage], Pixels]]:
    """Read images of a snapshot from its folder, some at a time."""
    done = 0
    for chunk in chunks(images, CHUNK):
        pixels: Any = np.stack([decode_png((folder.path / image.file).read_bytes()) for image in chunk])
        yield chunk, pixels
        done += len(chunk)
        on_progress(done, len(images), "images")
