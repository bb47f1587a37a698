"""Vectors of stored images that no network computes, kept in a vector file by the files.

Features of a backbone are kept by `train.features.feature_cache`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from curation.image_store import ImageStore, Pixels
from curation.progress import OnProgress
from curation.vector_files import StoredRows, VectorFile
from screening.features.neighbours import Features

READ = 256


@dataclass(frozen=True)
class FeatureFile(VectorFile):
    """A vector file and the function that computes the vectors of images it does not have yet."""

    compute: Callable[[Pixels], Features]

    def features(self, store: ImageStore, digests: Sequence[str], report: OnProgress) -> Features:
        """(N, D) float32 of the stored images, in the order asked; what is not there yet is computed and kept."""
        return self.rows(store, digests, report)[np.arange(len(digests))]

    def rows(self, store: ImageStore, digests: Sequence[str], report: OnProgress) -> StoredRows:
        """The rows that `features` returns, left in the file until they are asked for."""
        self.fill(digests, store.stack, self.compute, report, "descriptors", READ)
        return self.stored(digests)
