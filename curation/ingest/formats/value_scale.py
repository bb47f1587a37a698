"""Bring stored values to one scale where that is exact: whole numbers with a sign, and slopes above 0.

Two files with the same values may store them differently: signed, or unsigned with an intercept. A model sees what is
stored, so whole numbers from -32,768 to 32,767 are stored as value + 32,768 wherever the file says what they stand for.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNED_OFFSET = 1 << 15
_MOST_INTERCEPT = 1 << 29  # beyond it a product may leave 32 bit


def store_whole_numbers(values: NDArray[Any], slope: float, intercept: float) -> NDArray[np.uint16] | None:
    """Store what `values`, whole numbers, stand for as value + 32,768; None unless each is whole and has room."""
    if not (slope.is_integer() and intercept.is_integer()) or abs(intercept) > _MOST_INTERCEPT:
        return None
    ends = [int(end) * int(slope) + int(intercept) for end in (values.min(), values.max())]
    if min(ends) < -SIGNED_OFFSET or max(ends) >= SIGNED_OFFSET:
        return None
    whole: NDArray[Any] = values.astype(np.int32) * np.int32(slope) + np.int32(intercept + SIGNED_OFFSET)
    return whole.astype(np.uint16)


def turn_values(
    pixels: NDArray[Any], ends: int, slope: float, intercept: float, signed_offset: int
) -> tuple[NDArray[Any], float, float]:
    """Turn stored values, v' = ends - v, and slope and intercept with them, so that they stand for the same."""
    turned: NDArray[Any] = (ends - pixels.astype(np.int32)).astype(pixels.dtype)
    return turned, -slope, intercept + slope * (ends - 2 * signed_offset)
