"""Fidelity and variety by nearest neighbours: precision, recall, density, coverage, authenticity.

All of them take distances, float64, so that a resample picks rows and columns instead of measuring again. A ball is
open, as in the reference implementation (prdc): on its rim is outside. Rows are real images, columns generated ones.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from curation.errors import BadInput

Distances = NDArray[np.float64]
Vectors = NDArray[np.float64]

BLOCK = 2**24  # distances held at once: 128 MB
OVERLAP_K = 3  # Kynkäänniemi et al. 2019, section 3
COVERAGE_K = 5  # Naeem et al. 2020, section 4.1


def distances(first: Vectors, second: Vectors) -> Distances:
    """(N, M) Euclidean distances."""
    return np.asarray(cdist(first, second), np.float64)


def radii(within: Distances, k: int) -> NDArray[np.float64]:
    """(N,) distance of each image of a set (N, N) to its k-th neighbour in the set, the image itself left out."""
    if len(within) <= k:
        raise BadInput(f"expected more than {k} images for the {k}-th neighbour, got {len(within)}.")
    return np.asarray(np.partition(within, k, axis=1)[:, k])


def precision(real: Distances, across: Distances, k: int = OVERLAP_K) -> float:
    """Share of generated images inside the ball of some real image (Kynkäänniemi et al. 2019, eq. 1)."""
    return float((across < radii(real, k)[:, None]).any(axis=0).mean())


def recall(drawn: Distances, across: Distances, k: int = OVERLAP_K) -> float:
    """Share of real images inside the ball of some generated image (Kynkäänniemi et al. 2019, eq. 2)."""
    return float((across < radii(drawn, k)[None, :]).any(axis=1).mean())


def density(real: Distances, across: Distances, k: int = COVERAGE_K) -> float:
    """In how many real balls a generated image lies, by k: about 1 where the sets agree (Naeem et al. 2020, eq. 3)."""
    return float((across < radii(real, k)[:, None]).sum(axis=0).mean() / k)


def coverage(real: Distances, across: Distances, k: int = COVERAGE_K) -> float:
    """Share of real images with a generated one in their ball (Naeem et al. 2020, eq. 4)."""
    return float(covered(real, across, k).mean())


def covered(real: Distances, across: Distances, k: int = COVERAGE_K) -> NDArray[np.bool_]:
    """(N,) which real images have a generated one in their ball."""
    return np.asarray(across.min(axis=1) < radii(real, k))


def nearest(queries: Vectors, references: Vectors) -> tuple[NDArray[np.int64], Distances]:
    """(N,) position and distance of the nearest reference of each query, in bounded memory."""
    positions, to_nearest = np.zeros(len(queries), np.int64), np.zeros(len(queries))
    rows = max(1, BLOCK // len(references))
    for top in range(0, len(queries), rows):
        block = distances(queries[top : top + rows], references)
        positions[top : top + rows] = block.argmin(axis=1)
        to_nearest[top : top + rows] = block.min(axis=1)
    return positions, to_nearest


def authentic(drawn: Vectors, real: Vectors) -> NDArray[np.bool_]:
    """(N,) which generated images are no copies (Alaa et al. 2022, section 4.2).

    A copy lies no farther from its nearest real image than that image's nearest real neighbour does. `real` are all
    images that the generator may have copied. Equal real images count once: with its double as neighbour, at distance
    0, a real image could be copied unseen.
    """
    real = np.unique(real, axis=0)
    if len(real) < 2:
        raise BadInput(f"expected at least 2 different real images, got {len(real)}.")
    positions, to_real = nearest(drawn, real)
    between_real = np.zeros(len(drawn))
    rows = max(1, BLOCK // len(real))
    for top in range(0, len(drawn), rows):
        chosen = positions[top : top + rows]
        block = distances(real[chosen], real)
        block[np.arange(len(chosen)), chosen] = np.inf
        between_real[top : top + rows] = block.min(axis=1)
    return np.asarray(to_real > between_real)
