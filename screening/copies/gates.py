"""Near copies of real training images: closer to one of them than held-out real images ever come.

A distance alone is not enough (synthetic images are smoother, and smooth images lie closer to everything), so the ratio
counts as well: how much nearer the nearest training image is than the nearest of any other subject. Thresholds come
from the validation subjects; false alarms are counted on each half of them under the thresholds of the other half.

Two gates: by a backbone's features (near and distinctive), and by the image itself registered to the training image
(near or distinctive).

Published splits leak: 8 of the 524 validation images of PneumoniaMNIST are training images, bit for bit. Thresholds set
on them would let every copy through, so validation images that are copies themselves set none, and are counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from curation.estimates import rounded_interval
from screening.checks.check import Saved, Unset

LEAST_VALIDATION = 40
LEAST_SUBJECTS = 4
FALSE_BLOCKS = 0.01
ALIGNED_FALSE_BLOCKS = 0.008  # of both gates together FALSE_BLOCKS; the feature gate gets the rest
RATIO_QUANTILE = 0.02
SURE_SHARE = 0.25
EXACT = 1e-5
SPLIT_LEAK_RATIO = 0.5
SMOOTH, DETAILED = "without fine detail", "with fine detail"


@dataclass(frozen=True, slots=True)
class CopyVerdict:
    """What a gate says of an image, with the distance and the threshold that decided.

    `with_detail` says which comparison blocked, where the gate has two.
    """

    verdict: str
    distance: float
    threshold: str
    with_detail: bool | None = None


@dataclass(frozen=True, slots=True)
class CopyGate(Saved):
    """A gate on the distance to the nearest training image.

    Below `distance` an image is flagged. It is blocked there when the nearest image is also much nearer than the next
    subject's, and always below `sure_distance`.
    """

    distance: float
    ratio: float
    sure_distance: float
    tuned_on: int
    measured_on: int
    false_blocks: int
    false_flags: int
    false_block_rate_95: tuple[float, float]

    def judge(self, first: float, second: float) -> CopyVerdict:
        """Judge by the distances to the nearest training image and to the nearest one of another subject."""
        verdict = "pass" if first >= self.distance else "flag"
        if first < self.sure_distance or (verdict == "flag" and first < self.ratio * second):
            verdict = "block"
        return CopyVerdict(verdict, first, str(self))

    def __str__(self) -> str:
        return f"not below {self.distance:.4g} and {self.ratio:.2f} of the next subject's"


@dataclass(frozen=True, slots=True)
class AlignedGate(Saved):
    """A gate that blocks an image nearer to a training image than held-out ones are, or more distinctive.

    Compared without fine detail, which blur and noise leave, and with it, which a small part of an image keeps.
    """

    distance: float
    ratio: float
    detail_distance: float
    detail_ratio: float
    tuned_on: int
    measured_on: int
    false_blocks: int
    false_flags: int
    false_block_rate_95: tuple[float, float]

    def judge(self, first: float, second: float, detailed: float, detailed_second: float) -> CopyVerdict:
        """Judge by the distances to the nearest training image and the nearest of another subject, then with detail.

        A blocked image gets the distance that is farthest below its threshold; one that passes gets the distance
        without fine detail, and every threshold.
        """
        next_subject = "of the next subject's"
        criteria = (
            (first, max(self.distance, EXACT), SMOOTH),
            (first, self.ratio * second, f"{SMOOTH}, {self.ratio:.3f} {next_subject}"),
            (detailed, max(self.detail_distance, EXACT), DETAILED),
            (detailed, self.detail_ratio * detailed_second, f"{DETAILED}, {self.detail_ratio:.3f} {next_subject}"),
        )
        met = [(near / limit, near, limit, compared) for near, limit, compared in criteria if near < limit]
        if not met:
            return CopyVerdict("pass", first, str(self))
        _, distance, limit, compared = min(met)
        return CopyVerdict("block", distance, f"not below {limit:.4g} {compared}", compared.startswith(DETAILED))

    def __str__(self) -> str:
        return (
            f"not below {self.distance:.4g}, nor below {self.ratio:.3f} of the next subject's; with fine detail "
            f"{self.detail_distance:.4g} and {self.detail_ratio:.3f}"
        )


Gate = TypeVar("Gate", CopyGate, AlignedGate)


def fit_copy_gate(distances: NDArray[np.float32], subjects: Sequence[int], seed: int = 0) -> CopyGate | Unset:
    """Set the feature gate on the validation images, and count its false alarms where it was not set.

    `distances` (M, 2) of the validation images to the nearest training image and the nearest one of another subject,
    `subjects` (M,) whose images they are. `Unset` for fewer than 40 images of 4 subjects.
    """
    return _too_few(distances, subjects) or _with_false_alarms(_draft, distances, subjects, seed)


def fit_aligned_gate(distances: NDArray[np.float32], subjects: Sequence[int], seed: int = 0) -> AlignedGate | Unset:
    """Set the gate on pixels, as `fit_copy_gate` sets the one on features.

    `distances` (M, 4): both without fine detail, then both with it.
    """
    return _too_few(distances, subjects) or _with_false_alarms(_aligned_draft, distances, subjects, seed)


def _too_few(distances: NDArray[np.float32], subjects: Sequence[int]) -> Unset | None:
    if len(distances) < LEAST_VALIDATION or len(set(subjects)) < LEAST_SUBJECTS:
        return Unset(f"{len(distances)} real validation images, {LEAST_VALIDATION} are needed")
    if not np.isfinite(distances).all():
        return Unset("training images of one subject only, two are needed")
    return None


def _with_false_alarms(
    draft: Callable[[NDArray[np.float32]], Gate], distances: NDArray[np.float32], subjects: Sequence[int], seed: int
) -> Gate:
    half = half_of_subjects(subjects, seed)
    verdicts = [
        gate.judge(*unseen_distances).verdict
        for gate, unseen in ((draft(distances[half]), ~half), (draft(distances[~half]), half))
        for unseen_distances in distances[unseen].tolist()
    ]
    blocks = verdicts.count("block")
    low, high = rounded_interval(blocks, len(verdicts))
    return replace(
        draft(distances),
        measured_on=len(verdicts),
        false_blocks=blocks,
        false_flags=verdicts.count("flag"),
        false_block_rate_95=(low, high),
    )


def _draft(distances: NDArray[np.float32]) -> CopyGate:
    """Set the thresholds on these images; false alarms are not counted yet."""
    first, second = distances[:, 0], distances[:, 1]
    distance = float(np.quantile(first, FALSE_BLOCKS))
    ratio = float(np.quantile(first / np.maximum(second, 1e-12), RATIO_QUANTILE))
    sure_distance = max(SURE_SHARE * distance, EXACT)
    return CopyGate(distance, ratio, sure_distance, len(distances), 0, 0, 0, (0.0, 1.0))


def _aligned_draft(distances: NDArray[np.float32]) -> AlignedGate:
    """Set four thresholds at one rank, the highest at which at most 0.8 % of these images lie below any."""
    two = distances.reshape(-1, 2, 2)
    criteria = np.stack([two[:, :, 0], two[:, :, 0] / np.maximum(two[:, :, 1], 1e-12)], axis=2).reshape(-1, 4)
    ranks = criteria.argsort(axis=0).argsort(axis=0).min(axis=1)
    rank = int(np.sort(ranks)[int(ALIGNED_FALSE_BLOCKS * len(criteria))])
    return AlignedGate(*np.sort(criteria, axis=0)[rank].tolist(), len(criteria), 0, 0, 0, (0.0, 1.0))


def copied_in_cohort(by_pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which validation images (M,) are copies of a training image, by their pixel distances (M, 2).

    Bit for bit, or at less than half the distance of any other subject's: of 411 held-out virtual subjects none is.
    """
    first, second = by_pixels[:, 0], by_pixels[:, 1]
    return (first < EXACT) | (first < SPLIT_LEAK_RATIO * second)


def half_of_subjects(subjects: Sequence[int], seed: int) -> NDArray[np.bool_]:
    """Which images are of the first half of the subjects; all images of a subject fall together."""
    distinct = np.array(sorted(set(subjects)))
    chosen = np.random.default_rng(seed).permutation(distinct)[: len(distinct) // 2]
    return np.isin(np.array(subjects), chosen)
