"""Technical checks: what a broken picture shows in its grey levels and edges, against what real training images show.

Each measure is one number an image; the range of the real training images decides. Nothing here knows anatomy.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.image_store import Pixels

FLAG_TAIL = 0.01
BLOCK_MARGIN = 0.5
LEAST_REFERENCE = 20


@dataclass(frozen=True, slots=True)
class Range:
    """Inside [flag_low, flag_high] passes; outside [block_low, block_high] blocks; between flags."""

    flag_low: float
    flag_high: float
    block_low: float
    block_high: float

    def verdict(self, value: float) -> str:
        """`pass`, `flag` or `block`."""
        if not self.block_low <= value <= self.block_high:
            return "block"
        return "pass" if self.flag_low <= value <= self.flag_high else "flag"

    def __str__(self) -> str:
        return f"{self.flag_low:.4g} to {self.flag_high:.4g}"


def measures(pixels: Pixels) -> dict[str, NDArray[np.float64]]:
    """One value an image for each check, from (N, H, W, C): all on a scale where the type's maximum is 1.

    `brightness` is the mean, `contrast` the standard deviation, `saturation` the share at the type's maximum,
    `sharpness` the mean gradient magnitude over the contrast, `noise` the median size of the second difference.
    """
    scaled = pixels.astype(np.float64).mean(axis=3) / np.iinfo(pixels.dtype).max
    contrast = scaled.std(axis=(1, 2))
    down, across = np.gradient(scaled, axis=(1, 2))
    second = scaled[:, 1:-1, 2:] - 2 * scaled[:, 1:-1, 1:-1] + scaled[:, 1:-1, :-2]
    visible = scaled[:, 1:-1, 1:-1] > 0.02
    return {
        "brightness": scaled.mean(axis=(1, 2)),
        "contrast": contrast,
        "saturation": (pixels.max(axis=3) == np.iinfo(pixels.dtype).max).mean(axis=(1, 2)),
        "sharpness": np.hypot(down, across).mean(axis=(1, 2)) / np.maximum(contrast, 1e-6),
        "noise": np.array([np.median(np.abs(s[v])) if v.any() else 0.0 for s, v in zip(second, visible, strict=True)]),
    }


def fit_ranges(reference: Pixels) -> dict[str, Range]:
    """Ranges from real training images: 1 % flagged at each end, blocked half the range's width beyond what occurred.

    Raises BadInput for fewer than 20 images.
    """
    if len(reference) < LEAST_REFERENCE:
        raise BadInput(f"expected at least {LEAST_REFERENCE} real training images to set ranges, got {len(reference)}.")
    ranges = {}
    for name, values in measures(reference).items():
        low, high = float(values.min()), float(values.max())
        margin = BLOCK_MARGIN * (high - low)
        flag_low, flag_high = np.quantile(values, [FLAG_TAIL, 1 - FLAG_TAIL])
        ranges[name] = Range(float(flag_low), float(flag_high), low - margin, high + margin)
    # A blank picture has no contrast, whatever the reference varies by.
    contrast = ranges["contrast"]
    floor = 0.25 * contrast.flag_low
    ranges["contrast"] = Range(
        contrast.flag_low, contrast.flag_high, max(contrast.block_low, floor), contrast.block_high
    )
    return ranges


def ranges_as_json(ranges: Mapping[str, Range]) -> dict[str, Any]:
    """For the saved parameters of a screening."""
    return {name: asdict(one) for name, one in ranges.items()}
