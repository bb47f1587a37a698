"""Features of a frozen backbone, computed once per image and shared between arms, seeds and epochs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curation.progress import OnProgress
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.backbones.load import Backbone

CHUNK = 256


class FeatureCache:
    """Features by pixel digest, for one backbone; valid because preprocessing is fixed and nothing is augmented."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self._features: dict[str, NDArray[np.float32]] = {}

    def __len__(self) -> int:
        return len(self._features)

    def of(self, folder: SnapshotFolder, rows: Sequence[SnapshotRow], on_progress: OnProgress) -> NDArray[np.float32]:
        """Features (N, D) of `rows`; only images without cached features go through the backbone."""
        missing = list({row.pixel_sha256: row for row in rows if row.pixel_sha256 not in self._features}.values())
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            for row, features in zip(chunk, self.backbone.features(folder.pixels(chunk)), strict=True):
                self._features[row.pixel_sha256] = features
            on_progress(start + len(chunk), len(missing), "features")
        return np.stack([self._features[row.pixel_sha256] for row in rows])
