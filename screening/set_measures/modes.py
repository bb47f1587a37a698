"""Modes of the real training images: k-means clusters within a class, and levels of covariates.

A mode is a k-means cluster within a class, one image a subject. The rule for k: one cluster for each 30 subjects of the
class, at least 1 and at most 8, so that a cluster without a single approved image is seldom chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from screening.features.spread import is_constant
from screening.set_measures.manifold import Vectors, distances

SUBJECTS_PER_MODE = 30
MOST_MODES = 8
COMPONENTS = 32
SEEDS = 4  # further clusterings, to say how far the modes depend on chance


@dataclass(frozen=True)
class Modes:
    """Clusters of one class: their centres among principal components, their medoids' positions, their stability.

    `stability` is the mean adjusted Rand index between clusterings from other seeds: 1 is the same each time.
    """

    reduced: PCA
    centres: Vectors
    medoids: list[int]
    assigned: NDArray[np.int64]
    stability: float | None

    def nearest(self, features: Vectors) -> NDArray[np.int64]:
        """(N,) the mode each image belongs to."""
        if not len(features):
            return np.zeros(0, np.int64)
        return np.asarray(distances(self.reduced.transform(features), self.centres).argmin(axis=1))


def find_modes(features: Vectors, seed: int) -> Modes:
    """Cluster the real training images (N, D) of one class; the largest mode comes first."""
    components = min(COMPONENTS, len(features) - 1, features.shape[1])
    with np.errstate(invalid="ignore"):  # the shares of a variance of zero; nothing reads them
        reduced = PCA(components, svd_solver="full").fit(features)
    points = reduced.transform(features)
    # A class whose images are all alike is one mode.
    k = 1 if is_constant(features).all() else int(np.clip(len(features) // SUBJECTS_PER_MODE, 1, MOST_MODES))
    fits = [KMeans(k, n_init=10, random_state=seed + step).fit(points) for step in range(SEEDS + 1 if k > 1 else 1)]
    order = np.argsort(-np.bincount(fits[0].labels_, minlength=k), kind="stable")
    centres = fits[0].cluster_centers_[order].astype(np.float64)
    assigned = np.argsort(order)[fits[0].labels_]
    to_centres = distances(points, centres)
    medoids = [int(np.where(assigned == mode, to_centres[:, mode], np.inf).argmin()) for mode in range(k)]
    agreements = [adjusted_rand_score(first.labels_, second.labels_) for first, second in combinations(fits, 2)]
    return Modes(reduced, centres, medoids, assigned, float(np.mean(agreements)) if agreements else None)


@dataclass(frozen=True, slots=True)
class Grouping:
    """A grouping of images into levels: of real ones (None where it has none) and of generated ones.

    `borrowed` levels of generated images are those of the nearest real training image of their class.
    """

    name: str
    real: Sequence[str] | None
    drawn: Sequence[str]
    borrowed: bool = False
    within_class: bool = False


def levels_of(values: Sequence[object], least: int = 10) -> list[str]:
    """A covariate as levels: numbers in thirds, what fewer than `least` images have as `other`, none as `unknown`."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(set(numbers)) > 5:
        low, high = np.quantile(numbers, (1 / 3, 2 / 3))
        return [_third(value, float(low), float(high)) for value in values]
    names = ["unknown" if value is None else str(value) for value in values]
    frequent = {name for name in names if names.count(name) >= least}
    return [name if name in frequent or name == "unknown" else "other" for name in names]


def _third(value: object, low: float, high: float) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "unknown"
    if value <= low:
        return f"up to {low:.4g}"
    return f"above {low:.4g} to {high:.4g}" if value <= high else f"above {high:.4g}"
