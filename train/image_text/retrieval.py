"""How often the caption of an image, or an image of a caption, is among the first k."""

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from curation.estimates import Estimate, proportion, proportion_over_images


@dataclass(frozen=True, slots=True)
class Recall:
    """Recall at k in one direction, among `candidates`, and what a random order would give."""

    direction: str
    k: int
    recall: Estimate
    chance: float
    candidates: int


def measure_retrieval(
    images: NDArray[np.float32],
    captions: NDArray[np.float32],
    numbers: NDArray[np.int64],
    units: NDArray[np.int64],
    ks: tuple[int, ...] = (1, 10),
) -> list[Recall]:
    """Measure recall of unit vectors of images (N, D) and distinct captions (M, D).

    `numbers` (N,) are the captions of the images. From an image its own caption must be found; from a caption any image
    that has it. Intervals count images of one unit (a subject) together.
    """
    similarity = images @ captions.T  # (N, M)
    recalls = []
    for k in ks:
        is_hit = _ranks(similarity)[np.arange(len(images)), numbers] < k
        rows = list(zip(is_hit.tolist(), units.tolist(), strict=True))
        recall = proportion_over_images(rows, lambda row: row[0], lambda row: row[1])
        recalls.append(Recall("image to text", k, recall, min(1.0, k / len(captions)), len(captions)))
    ranks = _ranks(similarity.T)  # (M, N)
    for k in ks:
        hits = [bool((ranks[caption][numbers == caption] < k).any()) for caption in range(len(captions))]
        chances = [_chance(len(images), int((numbers == caption).sum()), k) for caption in range(len(captions))]
        recall = proportion(sum(hits), len(hits))
        recalls.append(Recall("text to image", k, recall, float(np.mean(chances)), len(images)))
    return recalls


def _ranks(similarity: NDArray[np.float32]) -> NDArray[np.int64]:
    """The place (N, M) of each candidate in its row, from 0; of equal ones the first comes first."""
    order = np.argsort(-similarity, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(similarity.shape[1])[None, :], axis=1)
    return ranks


def _chance(candidates: int, right: int, k: int) -> float:
    """How often the first k of a random order hold one of the right candidates."""
    return 1 - comb(candidates - right, k) / comb(candidates, k) if k <= candidates else 1.0
