"""Near copies of real training images: closer to one of them than held-out real images ever come.

A distance alone is not enough (synthetic images are smoother, and smooth images lie closer to everything), so a copy
must also stand out: its nearest training image is much nearer than the nearest of any other subject. Thresholds come
from the validation subjects; false alarms are counted on each half of them under the thresholds of the other half.

Published splits leak: 8 of the 524 validation images of PneumoniaMNIST are training images, bit for bit. Thresholds set
on them would let every copy through, so validation images that are copies themselves set none, and are counted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from curation.screening.checks import Unset

LEAST_VALIDATION = 40
LEAST_SUBJECTS = 4
FALSE_BLOCKS = 0.01
RATIO_QUANTILE = 0.02
SURE_SHARE = 0.25
EXACT = 1e-5
SPLIT_LEAK_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class CopyGate:
    """Blocks below `distance` when the nearest also stands out, or far below it; flags below it otherwise."""

    distance: float
    ratio: float
    sure_distance: float
    tuned_on: int
    measured_on: int
    false_blocks: int
    false_flags: int
    false_block_rate_95: tuple[float, float]

    def verdict_of(self, first: float, second: float) -> str:
        """By the distances to the nearest training image and to the nearest one of another subject."""
        if first < self.sure_distance:
            return "block"
        if first >= self.distance:
            return "pass"
        return "block" if first < self.ratio * second else "flag"

    def as_json(self) -> dict[str, Any]:
        """For the saved parameters of a screening."""
        return asdict(self)

    def __str__(self) -> str:
        return f"not below {self.distance:.4g} and {self.ratio:.2f} of the next subject's"


def fit_copy_gate(distances: NDArray[np.float32], subjects: Sequence[int], seed: int = 0) -> CopyGate | Unset:
    """Set the gate on the validation images, and count its false alarms where it was not set.

    `distances` (M, 2) of the validation images to the nearest training image and the nearest one of another subject,
    `subjects` (M,) whose images they are. `Unset` for fewer than 40 images of 4 subjects.
    """
    if len(distances) < LEAST_VALIDATION or len(set(subjects)) < LEAST_SUBJECTS:
        return Unset(f"{len(distances)} real validation images, {LEAST_VALIDATION} are needed")
    if not np.isfinite(distances).all():
        return Unset("training images of one subject only, two are needed")
    half = _half(subjects, seed)
    verdicts = [
        gate.verdict_of(nearest, next_subject)
        for gate, unseen in ((_draft(distances[half]), ~half), (_draft(distances[~half]), half))
        for nearest, next_subject in distances[unseen].tolist()
    ]
    blocks = verdicts.count("block")
    interval = binomtest(blocks, len(verdicts)).proportion_ci(method="exact")
    return replace(
        _draft(distances),
        measured_on=len(verdicts),
        false_blocks=blocks,
        false_flags=verdicts.count("flag"),
        false_block_rate_95=(round(float(interval.low), 4), round(float(interval.high), 4)),
    )


def _draft(distances: NDArray[np.float32]) -> CopyGate:
    """The thresholds from these images, not measured yet."""
    first, second = distances[:, 0], distances[:, 1]
    distance = float(np.quantile(first, FALSE_BLOCKS))
    ratio = float(np.quantile(first / np.maximum(second, 1e-12), RATIO_QUANTILE))
    sure_distance = max(SURE_SHARE * distance, EXACT)
    return CopyGate(distance, ratio, sure_distance, len(distances), 0, 0, 0, (0.0, 1.0))


def copied_in_cohort(by_pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which validation images (M,) are copies of a training image, by their pixel distances (M, 2).

    Bit for bit, or at less than half the distance of any other subject's: of 411 held-out virtual subjects none is.
    """
    first, second = by_pixels[:, 0], by_pixels[:, 1]
    return (first < EXACT) | (first < SPLIT_LEAK_RATIO * second)


def _half(subjects: Sequence[int], seed: int) -> NDArray[np.bool_]:
    """Which images are of the first half of the subjects; all images of a subject fall together."""
    every = np.array(sorted(set(subjects)))
    chosen = np.random.default_rng(seed).permutation(every)[: len(every) // 2]
    return np.isin(np.array(subjects), chosen)
