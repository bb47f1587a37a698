"""Unit vectors of the rows of a snapshot, each picture once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curation.progress import OnProgress
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.features.feature_cache import FeatureCache
from train.image_text.two_towers import TwoTowers

CHUNK = 256


def vectors_of(
    towers: TwoTowers,
    folder: SnapshotFolder,
    rows: Sequence[SnapshotRow],
    on_progress: OnProgress,
    features: FeatureCache | None = None,
) -> NDArray[np.float32]:
    """Vectors (N, D) of `rows`; a picture that several rows show goes through the tower once.

    `features` are those of the image tower, where one was aligned.
    """
    if features is not None and rows:
        return towers.project(features.of(folder, rows, on_progress))
    distinct = list({row.pixel_sha256: row for row in rows}.values())
    known: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(distinct), CHUNK):
        chunk = distinct[start : start + CHUNK]
        vectors = towers.images(folder.pixels(chunk))
        known |= {row.pixel_sha256: vector for row, vector in zip(chunk, vectors, strict=True)}
        on_progress(start + len(chunk), len(distinct), "features")
    return np.stack([known[row.pixel_sha256] for row in rows]) if rows else np.empty((0, 1), np.float32)
