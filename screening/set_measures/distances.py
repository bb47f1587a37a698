"""The Fréchet distance and the kernel distance of two sets of feature vectors, in float64.

A distance means nothing without its floor: two disjoint sets of real images, of the same size, are not at distance
zero, and the Fréchet distance of equal distributions falls as 1/n. So it is taken at equal n, and above the dimension.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from curation.errors import BadInput

Vectors = NDArray[np.float64]


def as_vectors(values: ArrayLike, least: int = 2) -> Vectors:
    """Feature vectors as (N, D) float64; raises BadInput for another shape, too few, or what is not finite."""
    vectors = np.asarray(values, np.float64)
    if vectors.ndim != 2 or len(vectors) < least:
        raise BadInput(f"expected at least {least} feature vectors (N, D), got an array of shape {vectors.shape}.")
    if not np.isfinite(vectors).all():
        raise BadInput(
            "expected finite feature vectors, got NaN or infinity. Choose another backbone, or check images."
        )
    return vectors


def frechet_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Squared 2-Wasserstein distance of two Gaussians fitted to `first` and `second` (Heusel et al. 2017, eq. 6).

    Covariances are unbiased. Raises BadInput at unequal n or at n not above the dimension, where it says nothing.
    """
    first, second = as_vectors(first), as_vectors(second)
    n, dimension = first.shape
    if len(second) != n or second.shape[1] != dimension:
        raise BadInput(f"the Fréchet distance needs two sets of one size and dimension, got {first.shape} and "
                       f"{second.shape}.")  # fmt: skip
    if n <= dimension:
        raise BadInput(
            f"the Fréchet distance needs more images than feature dimensions, got {n} images of {dimension}. "
            "Take more images, or fewer dimensions (principal components)."
        )
    return unchecked_frechet_distance(first, second)


def unchecked_frechet_distance(first: Vectors, second: Vectors) -> float:
    """The Fréchet distance without those conditions, for parts of sets, of which only the spread counts.

    tr sqrt(A B) is the nuclear norm of sqrt(A) sqrt(B): with A = X'X and B = Y'Y that of X Y', no square root needed.
    """
    x = (first - first.mean(axis=0)) / np.sqrt(len(first) - 1)
    y = (second - second.mean(axis=0)) / np.sqrt(len(second) - 1)
    x, y = _triangle(x), _triangle(y)
    shared = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    apart = float(((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum())
    return float(apart + (x**2).sum() + (y**2).sum() - 2 * shared)


def _triangle(centred: Vectors) -> Vectors:
    """The triangular factor with the same X'X: smaller where there are more rows than columns."""
    return np.linalg.qr(centred, mode="r") if len(centred) > centred.shape[1] else centred


def cubic_kernel(first: Vectors, second: Vectors) -> NDArray[np.float64]:
    """(N, M) values of the kernel (x.y / D + 1)^3."""
    return np.asarray((first @ second.T / first.shape[1] + 1) ** 3)


def kernel_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Unbiased squared maximum mean discrepancy under the cubic kernel: the KID of Bińkowski et al. 2018.

    On all of `first` (N, D) and `second` (M, D) at once, not on blocks; being unbiased it may be slightly negative.
    """
    first, second = as_vectors(first), as_vectors(second)
    if first.shape[1] != second.shape[1]:
        raise BadInput(f"expected features of one backbone, got dimensions {first.shape[1]} and {second.shape[1]}.")
    return kernel_distance_of(
        cubic_kernel(first, first), cubic_kernel(second, second), cubic_kernel(first, second)
    )  # fmt: skip


def kernel_distance_of(first: Vectors, second: Vectors, across: Vectors) -> float:
    """The kernel distance from kernel values: (N, N), (M, M) and (N, M)."""
    n, m = across.shape
    within_first = (first.sum() - np.trace(first)) / (n * (n - 1))
    within_second = (second.sum() - np.trace(second)) / (m * (m - 1))
    return float(within_first + within_second - 2 * across.mean())
