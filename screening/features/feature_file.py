"""Vectors of stored images, computed once and kept in a vector file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from curation.image_store import ImageStore, Pixels
from curation.progress import OnProgress
from curation.vector_files import StoredRows, VectorFile
from screening.features.neighbours import Features
from train.backbones.load import Backbone

READ = 256


@dataclass(frozen=True)
class FeatureFile(VectorFile):
    """A vector file and the function that computes the vectors of images it does not have yet."""

    compute: Callable[[Pixels], Features]

    @classmethod
    def of_backbone(cls, directory: Path, backbone: Backbone) -> Self:
        """Features of a backbone, kept under its digest."""
        return cls(directory, backbone.digest[:16], backbone.dimension, backbone.features)

    def features(self, store: ImageStore, digests: Sequence[str], report: OnProgress) -> Features:
        """(N, D) float32 of the stored images, in the order asked; what is not there yet is computed and kept."""
        return self.rows(store, digests, report)[np.arange(len(digests))]

    def rows(self, store: ImageStore, digests: Sequence[str], report: OnProgress) -> StoredRows:
        """The rows that `features` returns, left in the file until they are asked for."""
        missing = sorted(set(digests) - self.places().keys())
        for start in range(0, len(missing), READ):
            chunk = missing[start : start + READ]
            self.append(chunk, self.compute(store.stack(chunk)))
            report(min(start + READ, len(missing)), len(missing), "features")
        return self.stored(digests)
