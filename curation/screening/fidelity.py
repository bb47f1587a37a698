"""How far a set of images lies from another in a backbone's features, and the floor that real images reach themselves.

A distance means nothing without its floor: two disjoint sets of real images, of the same size, are not at distance
zero. Plain copies of training images score best of all here; `privacy` looks for those.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from curation.errors import BadInput

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Distance and overlap of a set from real images, beside what another real set of the same size reaches."""

    n: int
    kernel_distance: float
    kernel_distance_floor: float
    coverage: float
    coverage_floor: float


def kernel_distance(first: Features, second: Features) -> float:
    """Unbiased squared maximum mean discrepancy, kernel (x.y / d + 1)^3: the KID of Binkowski et al. 2018.

    `first` (N, D) and `second` (M, D), at least two rows each; may be slightly negative, being unbiased.
    """
    _check(first, second, least=2)
    n, m = len(first), len(second)
    within_first, within_second = _cubic(first, first), _cubic(second, second)
    same = (within_first.sum() - np.trace(within_first)) / (n * (n - 1))
    other = (within_second.sum() - np.trace(within_second)) / (m * (m - 1))
    return float(same + other - 2 * _cubic(first, second).mean())


def coverage(real: Features, drawn: Features, k: int = 5) -> float:
    """Share of real images with a drawn one inside the ball to their k-th real neighbour (Naeem et al. 2020, eq. 4)."""
    _check(real, drawn, least=k + 1)
    radius = NearestNeighbors(n_neighbors=k + 1).fit(real).kneighbors(real)[0][:, k]
    nearest = NearestNeighbors(n_neighbors=1).fit(drawn).kneighbors(real)[0][:, 0]
    return float((nearest <= radius).mean())


def measure(reference: Features, other_real: Features, drawn: Features) -> Fidelity:
    """Compare `drawn` with `reference`, and `other_real` with it as the floor; all three cut to the smallest size.

    The three come from disjoint subjects and in random order.
    """
    n = min(len(reference), len(other_real), len(drawn))
    reference, other_real, drawn = reference[:n], other_real[:n], drawn[:n]
    return Fidelity(
        n=n,
        kernel_distance=kernel_distance(reference, drawn),
        kernel_distance_floor=kernel_distance(reference, other_real),
        coverage=coverage(reference, drawn),
        coverage_floor=coverage(reference, other_real),
    )


def _cubic(first: Features, second: Features) -> NDArray[np.float64]:
    a, b = first.astype(np.float64), second.astype(np.float64)
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)


def _check(first: Features, second: Features, least: int) -> None:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise BadInput(f"expected features (N, D) of one backbone, got {first.shape} and {second.shape}.")
    if min(len(first), len(second)) < least:
        raise BadInput(f"expected at least {least} images in each set, got {len(first)} and {len(second)}.")
