"""Near copies of real training images: closer to one of them than held-out real images ever come.

A distance alone is not enough (synthetic images are smoother, and smooth images lie closer to everything), so a copy
must also stand out: its nearest training image is much nearer than its second. Both thresholds come from one half of
the validation images; the false blocks are counted on the other half.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.screening.neighbours import Features, nearest

LEAST_VALIDATION = 40
FALSE_BLOCKS = 0.01
SURE_SHARE = 0.25


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

    def verdicts(self, distances: NDArray[np.float32]) -> list[str]:
        """For (N, 2) distances to the nearest and second-nearest training image."""
        first, second = distances[:, 0], distances[:, 1]
        stands_out = first < self.ratio * np.maximum(second, 1e-12)
        block = (first < self.sure_distance) | ((first < self.distance) & stands_out)
        flag = first < self.distance
        return ["block" if b else "flag" if f else "pass" for b, f in zip(block, flag, strict=True)]

    def as_json(self) -> dict[str, Any]:
        """For the saved parameters of a screening."""
        return asdict(self)


def fit_copy_gate(train: Features, validation: Features, seed: int = 0) -> CopyGate:
    """Set the gate on one half of the validation images, and count its false alarms on the other.

    `train` (N, D), `validation` (M, D) of one backbone. Raises BadInput for fewer than 40 validation images.
    """
    if len(validation) < LEAST_VALIDATION:
        raise BadInput(
            f"expected at least {LEAST_VALIDATION} real validation images to set the copy gate, got {len(validation)}. "
            "Import more subjects: without a gate nothing may be read."
        )
    order = np.random.default_rng(seed).permutation(len(validation))
    half = len(order) // 2
    found = nearest(validation, train, k=2).distances
    tuning, held_out = found[order[:half]], found[order[half:]]
    distance = float(np.quantile(tuning[:, 0], FALSE_BLOCKS))
    ratio = float(np.quantile(tuning[:, 0] / np.maximum(tuning[:, 1], 1e-12), 0.1))
    draft = CopyGate(distance, ratio, SURE_SHARE * distance, half, len(order) - half, 0, 0)
    verdicts = draft.verdicts(held_out)
    return CopyGate(**{**asdict(draft), "false_blocks": verdicts.count("block"), "false_flags": verdicts.count("flag")})
