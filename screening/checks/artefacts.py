"""Technical checks: grey levels and edges of an image against the ranges of real training images.

Each measure is one number an image; the range of the real training images decides. Nothing here knows anatomy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screening.checks.check import SEVERITY, Saved, Unset
from screening.checks.limits import TECHNICAL_TAIL
from screening.features.technical import MEASURES

ONLY_TOO_HIGH = frozenset({"saturation", "noise"})
BLOCK_MARGIN = 0.5
LEAST_REFERENCE = 20


@dataclass(frozen=True, slots=True)
class Range(Saved):
    """A range: inside [flag_low, flag_high] passes, outside [block_low, block_high] blocks, between flags."""

    flag_low: float | None
    flag_high: float
    block_low: float | None
    block_high: float

    def verdict(self, value: float) -> str:
        """Return `pass`, `flag` or `block`."""
        if value > self.block_high or (self.block_low is not None and value < self.block_low):
            return "block"
        return "flag" if value > self.flag_high or (self.flag_low is not None and value < self.flag_low) else "pass"

    def __str__(self) -> str:
        low = "at most" if self.flag_low is None else f"{self.flag_low:.4g} to"
        return f"{low} {self.flag_high:.4g}"


def fit_ranges(reference: NDArray[np.floating[Any]]) -> dict[str, Range | Unset]:
    """Fit ranges to the measures (N, 5) of real training images; `Unset` for fewer than 20.

    0.3 % is flagged at each end, and blocked half the range's width beyond what occurred.
    """
    if len(reference) < LEAST_REFERENCE:
        reason = f"{len(reference)} real training images, {LEAST_REFERENCE} are needed"
        return dict.fromkeys(MEASURES, Unset(reason))
    return {name: _range(name, reference[:, column]) for column, name in enumerate(MEASURES)}


def _range(name: str, values: NDArray[np.floating[Any]]) -> Range:
    low, high = float(values.min()), float(values.max())
    margin = BLOCK_MARGIN * (high - low)
    flag_low, flag_high = (float(end) for end in np.quantile(values, [TECHNICAL_TAIL, 1 - TECHNICAL_TAIL]))
    if name in ONLY_TOO_HIGH:
        return Range(None, flag_high, None, high + margin)
    # A blank image has next to no contrast and no edges, whatever the reference varies by.
    block_low = low - margin if name == "brightness" else max(low - margin, 0.25 * flag_low)
    return Range(flag_low, flag_high, block_low, high + margin)


def false_alarms(ranges: Mapping[str, Range | Unset], held_out: NDArray[np.floating[Any]]) -> dict[str, int]:
    """Count the real validation images, by their measures (M, 5), that the ranges flag or block."""
    gravest = [
        max((ranges[name].verdict(value) for name, value in zip(MEASURES, row, strict=True)), key=SEVERITY.index)
        for row in held_out.tolist()
    ]
    return {"measured_on": len(gravest), "false_flags": gravest.count("flag"), "false_blocks": gravest.count("block")}
