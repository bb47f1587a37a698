"""Gross faults at several strengths, to measure the error rates of automatic checks.

The defects in `defects.py` test readers and are just visible. These faults go from harmless to obvious, so that a table
shows where a check begins to see them. The caller's seed fixes the random ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import ndimage

from curation.alterations.replay import PIXEL_DEFECTS, draw_defect, replay
from curation.alterations.tissue import Field
from curation.image_store import Pixels

FAULTS = "faults/2"  # raised whenever a fault of the same name and strength becomes another image

Random: TypeAlias = np.random.Generator
Change: TypeAlias = Callable[[Field, float, Random], Field]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault at one strength, which is given in `unit`."""

    kind: str
    strength: float
    unit: str

    @property
    def name(self) -> str:
        """`noise, 5 levels of 255`."""
        kind = self.kind.replace("_", " ")
        return f"{kind}, {self.strength:g} {self.unit}" if self.unit else kind

    def apply(self, pixels: Pixels, seed: int) -> Pixels:
        """Break an image; shape and depth stay, and the same seed gives the same result."""
        most = np.iinfo(pixels.dtype).max
        if self.kind in PIXEL_DEFECTS:
            changed = replay(pixels, draw_defect(pixels, self.kind, seed)).astype(np.float64)
            broken = pixels + self.strength * (changed - pixels)
        else:
            image = pixels.astype(np.float64) / most
            broken = most * _CHANGES[self.kind](image, self.strength, np.random.default_rng(seed))
        whole = np.clip(np.rint(broken), 0, most)
        return whole.astype(np.uint8) if pixels.dtype == np.uint8 else whole.astype(np.uint16)


def _blur(image: Field, percent: float, random: Random) -> Field:
    sigma = percent / 100 * min(image.shape[:2])
    blurred: Field = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest")
    return blurred


def _grid(image: Field, levels: float, random: Random) -> Field:
    row, column = np.indices(image.shape[:2])
    return image + levels / 255 * np.where((row + column) % 2, 1.0, -1.0)[:, :, None]


def _turned(image: Field, quarters: float, random: Random) -> Field:
    turned = np.rot90(image, int(quarters))
    factors = [new / old for new, old in zip(image.shape[:2], turned.shape[:2], strict=True)]
    fitted: Field = ndimage.zoom(turned, (*factors, 1), order=1) if factors != [1.0, 1.0] else turned
    return fitted


def _stretched(image: Field, factor: float, random: Random) -> Field:
    middle = (image.shape[0] - 1) / 2
    matrix = np.diag([1 / factor, 1.0, 1.0])
    offset = (middle - middle / factor, 0, 0)
    stretched: Field = ndimage.affine_transform(image, matrix, offset=offset, order=1, mode="nearest")
    return stretched


def _shuffled(image: Field, pieces: float, random: Random) -> Field:
    """Cut into `pieces` times `pieces` tiles and put each where another was; a remainder at the edge stays."""
    count = int(pieces)
    height, width = (size // count for size in image.shape[:2])
    shuffled = image.copy()
    order = random.permutation(count * count)  # one cycle, so that no tile stays
    for place, source in zip(order.tolist(), np.roll(order, 1).tolist(), strict=True):
        (row, column), (from_row, from_column) = divmod(place, count), divmod(source, count)
        shuffled[row * height : (row + 1) * height, column * width : (column + 1) * width] = image[
            from_row * height : (from_row + 1) * height, from_column * width : (from_column + 1) * width
        ]
    return shuffled


def _phases(image: Field, _: float, random: Random) -> Field:
    """Make a texture with the image's spectrum and mean, and none of its anatomy."""
    noise = np.fft.rfft2(random.normal(size=image.shape[:2]))[:, :, None]
    spectrum = np.fft.rfft2(image, axes=(0, 1))
    phase = noise / np.maximum(np.abs(noise), 1e-12)
    phase[0, 0] = 1
    texture: Field = np.fft.irfft2(np.abs(spectrum) * phase, s=image.shape[:2], axes=(0, 1))
    return texture


_CHANGES: dict[str, Change] = {
    "blank": lambda image, level, _: np.full_like(image, level),
    "brighter": lambda image, factor, _: image * factor,
    "darker": lambda image, factor, _: image * factor,
    "gamma": lambda image, exponent, _: image**exponent,
    "inverted": lambda image, _strength, _random: 1 - image,
    "noise": lambda image, levels, random: image + random.normal(0, levels / 255, image.shape[:2])[:, :, None],
    "blur": _blur,
    "pixel_grid": _grid,
    "turned": _turned,
    "stretched": _stretched,
    "shuffled": _shuffled,
    "no_anatomy": _phases,
}

_LEVELS, _EDGE = "levels of 255", "% of the edge"
_STRENGTHS: tuple[tuple[str, str, tuple[float, ...]], ...] = (
    ("blank", "of white", (0, 0.5, 1)),
    ("brighter", "times", (1.2, 1.5, 2.5)),
    ("darker", "times", (0.7, 0.4)),
    ("gamma", "as exponent", (0.7, 1.4)),
    ("inverted", "", (1,)),
    ("noise", _LEVELS, (5, 10, 25)),
    ("blur", _EDGE, (0.8, 1.6, 3.2)),
    ("pixel_grid", _LEVELS, (2, 4, 8)),
    ("turned", "quarter turns", (1, 2)),
    ("stretched", "times", (1.15, 1.4)),
    ("shuffled", "pieces an edge", (2, 4)),
    ("no_anatomy", "", (1,)),
    *((kind, "of what readers are shown", (0.5, 1)) for kind in PIXEL_DEFECTS),
)

ALL_FAULTS = tuple(Fault(kind, strength, unit) for kind, unit, strengths in _STRENGTHS for strength in strengths)
