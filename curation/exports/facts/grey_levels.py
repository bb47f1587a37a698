"""Compare grey levels of synthetic and real training images, beside the floor of real against real.

Wasserstein-1 between pooled histograms (scipy.stats.wasserstein_distance), as a share of the grey range. The floor is
the same distance between two halves of the real images, divided by subject (by a hash): what two samples of the same
source differ by, at half the number.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from curation.exports.selection import Selection
from curation.image_store import Pixels
from curation.tables.images import Origin

BINS = 256
FEWEST = 20


@dataclass(frozen=True, slots=True)
class GreyLevels:
    """The distance and its floor, or None where there were too few images."""

    distance: float | None
    floor: float | None
    made: int
    real: int


def grey_levels(selection: Selection) -> GreyLevels:
    """Measure the training split of the snapshot with all its real images, one image in memory at a time."""
    made, halves, counts = np.zeros(BINS), [np.zeros(BINS), np.zeros(BINS)], [0, 0, 0]
    for row in selection.folder.iter_rows("train"):
        histogram = _histogram(selection.pixels(row), selection.folder.bits)
        if row.origin == Origin.REAL.value:
            half = hashlib.sha256((row.subject or row.pixel_sha256).encode()).digest()[0] % 2
            halves[half] += histogram
            counts[half] += 1
        else:
            made += histogram
            counts[2] += 1
    enough = counts[2] >= FEWEST and min(counts[:2]) >= FEWEST
    return GreyLevels(
        distance=_distance(made, halves[0] + halves[1]) if enough else None,
        floor=_distance(*halves) if enough else None,
        made=counts[2],
        real=counts[0] + counts[1],
    )


def _histogram(pixels: Pixels, bits: int) -> NDArray[np.float64]:
    levels = pixels >> 8 if bits == 16 else pixels
    return np.bincount(levels.ravel(), minlength=BINS) / levels.size


def _distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    levels = np.arange(BINS) / (BINS - 1)
    return float(wasserstein_distance(levels, levels, first, second))
