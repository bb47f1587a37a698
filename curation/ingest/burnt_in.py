"""Find pictures that may show burnt-in text, by their header and by shapes like a line of letters.

Such a picture is not left out: the report lists it, and a person looks. The pixel test looks for at least five thin,
high-contrast components of similar height side by side. `docs/importing.md` says what it catches and misses.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy import ndimage

from curation.image_store import Pixels

SMALLEST = 96  # pixels of the shorter side: below it no letter can be read
_LARGEST = 1024
_STROKE = 7  # pixels: wider than a stroke of the letters looked for
_CONTRAST = 0.4  # of the picture's range
_EDGES = 20  # pixels with a sharp edge beside them, in every other row: five letters have more
_HEIGHTS = (4, 48)
_LETTERS = 5
_SCREENS = {
    "1.2.840.10008.5.1.4.1.1.7": "a secondary capture",
    "1.2.840.10008.5.1.4.1.1.6.1": "ultrasound, which often shows names",
    "1.2.840.10008.5.1.4.1.1.3.1": "ultrasound, which often shows names",
}


def burnt_in_by_header(header: Dataset) -> str | None:
    """The reason, by the header: Burned In Annotation (0028,0301), or a kind of image that often has text."""
    annotation = str(header.get("BurnedInAnnotation") or "").upper()
    if annotation == "YES":
        return "its header says that text is burnt in"
    if annotation == "NO":
        return None
    uid = str(header.get("SOPClassUID") or "")
    if uid.startswith("1.2.840.10008.5.1.4.1.1.7."):
        return _SCREENS["1.2.840.10008.5.1.4.1.1.7"]
    return _SCREENS.get(uid)


def looks_burnt_in(pixels: Pixels) -> str | None:
    """The reason when (H, W, C) pixels show something like a line of text, else None."""
    if min(pixels.shape[:2]) < SMALLEST:
        return None
    plane = _plane(pixels)
    if plane is None:
        return None
    for details in (plane - ndimage.grey_opening(plane, _STROKE), ndimage.grey_closing(plane, _STROKE) - plane):
        if _has_line(details > _CONTRAST):
            return "something like a line of text in it"
    return None


def _plane(pixels: Pixels) -> NDArray[np.float32] | None:
    """Brightness in [0, 1] of the picture's middle 99.8 %, at most 1,024 pixels on a side; None without sharp edges."""
    factor = -(-max(pixels.shape[:2]) // _LARGEST)
    thinned = pixels[::factor, ::factor]
    gray = thinned.max(axis=2) if thinned.shape[2] > 1 else thinned[:, :, 0]
    every_other = gray[::2]  # every other row: a letter has at least four
    below = np.cumsum(np.bincount(every_other.ravel()))
    low, high = (int(value) for value in np.searchsorted(below, (0.001 * every_other.size, 0.999 * every_other.size)))
    if high <= low:
        return None
    signed: NDArray[Any] = every_other.astype(np.int16 if every_other.dtype == np.uint8 else np.int32)
    steps = np.abs(signed[:, 2:] - signed[:, :-2])
    if np.count_nonzero(steps > math.floor(0.75 * _CONTRAST * (high - low))) < _EDGES:
        return None
    scaled: NDArray[np.float32] = np.clip((gray.astype(np.float32) - low) / (high - low), 0, 1)
    return scaled


def _has_line(strokes: NDArray[np.bool_]) -> bool:
    numbered, count = ndimage.label(strokes, np.ones((3, 3)))
    if count < _LETTERS:
        return False
    boxes = np.array([_box(part) for part in ndimage.find_objects(numbered)])  # (n, 4): top, left, height, width
    area = np.bincount(numbered.ravel())[1:]
    fill = area / (boxes[:, 2] * boxes[:, 3])
    letter = (boxes[:, 2] >= _HEIGHTS[0]) & (boxes[:, 2] <= _HEIGHTS[1]) & (boxes[:, 3] <= 2.5 * boxes[:, 2])
    letter &= fill > 0.2
    return _longest_line(boxes[letter]) >= _LETTERS


def _box(part: Any) -> tuple[int, int, int, int]:
    rows, columns = part
    return rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start


def _longest_line(boxes: NDArray[np.int64]) -> int:
    """The most boxes on one line that have similar heights and follow closely from left to right."""
    order = boxes[np.argsort(boxes[:, 1])]
    length = np.ones(len(order), int)
    for place, (top, left, height, _) in enumerate(order):
        before = order[:place]
        if not len(before):
            continue
        bottoms = before[:, 0] + before[:, 2]
        gap = left - (before[:, 1] + before[:, 3])
        follows = (np.abs(bottoms - (top + height)) <= 0.2 * height + 1) & (
            np.abs(before[:, 2] - height) <= 0.35 * height + 1
        )
        follows &= (gap >= -1) & (gap <= 1.2 * height)
        if follows.any():
            length[place] = 1 + length[:place][follows].max()
    return int(length.max()) if len(order) else 0
