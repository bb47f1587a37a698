"""Distances of an image to its nearest real training images: by spectrum, grey levels, grids.

The nearest ones and not the mean of all: a cohort of two scanners has two kinds of image, and none like their mean.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from screening.checks.check import Unset
from screening.features.appearance import LEVELS, RINGS
from screening.features.descriptors import Descriptors
from screening.features.neighbours import Features, nearest
from screening.features.spread import is_constant

K = 5
MOST_REFERENCES = 2_000
LEAST_OF_CLASS = 20
SMOOTH_RINGS = slice(RINGS // 2, RINGS)
AT_ONCE = 64
NO_DISTANCE = 1e-6  # cosine distances below it are those of rounding
TOO_FEW = Unset(f"more than {K} real training images are needed")

Floats = NDArray[np.floating[Any]]


def sample(count: int, most: int, seed: int = 0) -> NDArray[np.int64]:
    """Choose positions of at most `most` of `count`, in order, the same ones every time."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])


@dataclass(frozen=True)
class SpectrumDistance:
    """The distance to spectra (M, 20) of real training images, in standard deviations of each ring."""

    mean: Floats
    spread: Floats
    references: Floats  # (M, 20), standardised

    @classmethod
    def fit(cls, train: Descriptors, subjects: Sequence[int]) -> Self | Unset:
        """Fit to training images; more than five are needed."""
        if len(train.spectra) <= K:
            return TOO_FEW
        mean = train.spectra.mean(axis=0)
        # A ring without any power in real images has scale 1, and a synthetic one is as far as its powers of ten say.
        spread = np.where(is_constant(train.spectra), 1.0, train.spectra.std(axis=0) + 1e-6)
        return cls(mean, spread, (train.spectra[sample(len(train.spectra), MOST_REFERENCES)] - mean) / spread)

    def values(self, images: Descriptors) -> Floats:
        """(N,) root mean square over the rings to the fifth nearest.

        In the upper half of the rings only an excess counts: an autoencoder's images are smoother than a scanner's, and
        that is no fault by itself. Missing detail in the lower half is a blur that a reader sees.
        """
        standard = (images.spectra - self.mean) / self.spread
        parts = []
        for start in range(0, len(standard), AT_ONCE):
            differences = standard[start : start + AT_ONCE, None, :] - self.references[None]
            differences[:, :, SMOOTH_RINGS] = np.maximum(differences[:, :, SMOOTH_RINGS], 0)
            parts.append(np.partition(np.square(differences).mean(axis=2), K - 1, axis=1)[:, K - 1])
        return np.sqrt(np.concatenate(parts)) if parts else np.zeros(0)


@dataclass(frozen=True)
class LevelsDistance:
    """The distance to grey levels (M, 32) of real training images: Wasserstein-1, white at distance 1 of black."""

    references: NearestNeighbors

    @classmethod
    def fit(cls, train: Descriptors, subjects: Sequence[int]) -> Self | Unset:
        """Fit to training images; more than five are needed."""
        if len(train.levels) <= K:
            return TOO_FEW
        references = train.levels[sample(len(train.levels), MOST_REFERENCES)]
        return cls(NearestNeighbors(n_neighbors=K, metric="l1").fit(references))

    def values(self, images: Descriptors) -> Floats:
        """(N,) distances to the fifth nearest."""
        if not len(images.levels):
            return np.zeros(0)
        distances: Floats = self.references.kneighbors(images.levels)[0][:, K - 1] / LEVELS
        return distances


@dataclass(frozen=True)
class ManifoldDistance:
    """The distance of grids to the nearest training image of the class; training images lie at about 1.

    Features stand in for grids where a backbone has none. `typical` is the median distance of a training image of the
    class to its own nearest: classes vary by different amounts, and one limit serves all. It is 1 for a class whose
    images are all alike. The nearest alone: with parts of images no neighbourhood is dense (docs/decisions.md).
    """

    by_class: dict[str, Features]
    typical: dict[str, float]

    @classmethod
    def fit(cls, train: Descriptors, subjects: Sequence[int]) -> Self:
        """Fit each class; one with fewer than 20 training images has no manifold."""
        classes = np.array([label or "" for label in train.labels])
        vectors = _vectors_with_place(train)
        by_class = {name: vectors[classes == name] for name in classes_with_manifold(train.labels)}
        typical = {}
        for name, of_class in by_class.items():
            sampled = of_class[sample(len(of_class), MOST_REFERENCES)]
            median = float(np.median(nearest(sampled, sampled, k=1, skip_self=True).distances))
            typical[name] = float(f"{median:.6g}") if median > NO_DISTANCE else 1.0
        return cls(by_class, typical)

    def values(self, images: Descriptors) -> Floats:
        """(N,) distances; NaN where the class has no manifold."""
        classes = np.array([label or "" for label in images.labels])
        distances = np.full(len(classes), np.nan)
        vectors = _vectors_with_place(images)
        for name, class_vectors in self.by_class.items():
            of_class = classes == name
            if of_class.any():
                of_nearest = nearest(vectors[of_class], class_vectors, k=1).distances[:, 0]
                distances[of_class] = of_nearest / self.typical[name]
        return distances


def _vectors_with_place(images: Descriptors) -> Features:
    """The grids of images, or their features where the backbone has no grid."""
    return images.grid if images.grid.shape[1] else images.features


def classes_with_manifold(labels: Sequence[str | None]) -> list[str]:
    """The classes of training images, by name, that have 20 images or more."""
    return sorted(name for name, count in Counter(labels).items() if name is not None and count >= LEAST_OF_CLASS)
