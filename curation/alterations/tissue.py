"""Find where the tissue of an image is, from grey levels alone, to place planted defects."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field: TypeAlias = NDArray[np.float64]
BINS = 128
LEAST_SHARE = 0.05  # of the frame; with less tissue than this, the whole frame counts as tissue


@dataclass(frozen=True, slots=True)
class TissueMap:
    """An image (H, W, C) in [0, 1] with its tissue (H, W), and each pixel's depth in it or distance from it."""

    image: Field
    gray: Field
    tissue: NDArray[np.bool_]
    depth: Field  # pixels to the nearest place outside the tissue and what it encloses, or outside the frame
    away: Field  # pixels to the nearest tissue, or to what it encloses

    @property
    def edge(self) -> int:
        """The shorter edge of the frame."""
        return int(min(self.gray.shape))

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the tissue's middle."""
        row, column = np.nonzero(self.tissue)
        return float(row.mean()), float(column.mean())

    @property
    def reach(self) -> float:
        """The range of grey levels, extremes left out."""
        low, high = np.quantile(self.gray, [0.01, 0.99])
        return float(high - low)

    @property
    def softly(self) -> Field:
        """The tissue with a soft edge: 0 outside, 1 two pixels inside."""
        soft: Field = np.clip(ndimage.gaussian_filter(self.depth, 1.0) / 2, 0, 1)
        return soft

    @property
    def filled(self) -> float:
        """The share of the frame that is tissue or lies between two parts of it."""
        return float((self.away == 0).mean())

    def detail(self, radius: float) -> Field:
        """Measure the detail within `radius` of each pixel: local variance of grey levels, squared."""
        mean = ndimage.gaussian_filter(self.gray, radius / 2, mode="nearest")
        variance = ndimage.gaussian_filter(np.square(self.gray), radius / 2, mode="nearest") - np.square(mean)
        detail: Field = np.square(np.clip(variance, 0, None))
        return detail

    def covered(self, radius: float) -> Field:
        """Find the most detail that a disc of `radius` around each pixel would cover."""
        most: Field = ndimage.maximum_filter(self.detail(radius / 2), size=2 * round(0.8 * radius) + 1)
        return most

    def plain(self, source: tuple[int, int], radius: float, covered: Field) -> Field:
        """Mark with 1 the tissue where a copy of the disc around `source` covers little detail.

        Of the places that are 2.2 radii away, or as far away as there is tissue, the quarter with the least detail.
        """
        room = self.depth_at_least(0.8 * radius) > 0
        distance = self.distance_from(source)
        room &= distance >= min(2.2 * radius, 0.9 * float(distance[room].max()))
        plain: Field = (room & (covered <= np.quantile(covered[room], 0.25))).astype(np.float64)
        return plain

    def depth_at_least(self, pixels: float) -> Field:
        """Mark with 1 the tissue that is so deep, or the deepest where none is."""
        return (self.depth >= min(pixels, float(self.depth.max()))).astype(np.float64)

    def distance_from(self, place: tuple[int, int]) -> Field:
        """Measure the distance of each pixel to `place`."""
        return _distances(self.gray.shape, place)

    def place(self, random: np.random.Generator, weight: Field) -> tuple[int, int]:
        """Draw a place by weight; anywhere in the tissue when every weight is zero."""
        weight = weight if weight.sum() > 0 else self.tissue.astype(np.float64)
        chosen = int(random.choice(weight.size, p=weight.ravel() / weight.sum()))
        row, column = np.unravel_index(chosen, weight.shape)
        return int(row), int(column)

    def outside(self, random: np.random.Generator, radius: float) -> tuple[int, int]:
        """Draw a place for a disc of `radius` inside the frame and outside the tissue, or else far from its middle."""
        row, column = np.mgrid[0 : self.gray.shape[0], 0 : self.gray.shape[1]]
        height, width = self.gray.shape
        to_frame = np.minimum(np.minimum(row, height - 1 - row), np.minimum(column, width - 1 - column))
        inside = to_frame >= min(1.1 * radius, self.edge / 2 - 1)
        fits = inside & (self.away >= 1.1 * radius)
        if fits.any():
            return self.place(random, fits / np.square(1.0 + self.away))
        far = np.where(inside, self.away + self.distance_from(((height - 1) // 2, (width - 1) // 2)), 0.0)
        return self.place(random, (far >= 0.93 * far.max()).astype(np.float64))

    def level_against(self, place: tuple[int, int]) -> tuple[float, ...]:
        """Choose a level of the tissue by channel that differs from `place`: bright on dark, or dark on bright."""
        levels = [np.quantile(self.image[self.tissue], quantile, axis=0) for quantile in (0.85, 0.1)]
        level_at_place = self.image[place]
        stands_out = (levels[0] - level_at_place).mean() > 0.3 * self.reach
        chosen = levels[0] if stands_out else max(levels, key=lambda level: float(np.abs(level - level_at_place).sum()))
        return tuple(float(level) for level in chosen)

    def background_level(self) -> tuple[float, ...]:
        """Measure the level around the tissue by channel; the median where nothing is around it."""
        around = self.image[~self.tissue]
        levels = np.median(around if len(around) else self.image.reshape(-1, self.image.shape[2]), axis=0)
        return tuple(float(level) for level in levels)


def map_tissue(image: Field) -> TissueMap:
    """Find the tissue of (H, W, C) in [0, 1]: what Otsu's threshold parts from the frame's border, holes filled."""
    gray = image.mean(axis=2)
    tissue = _tissue(gray)
    enclosed = _enclosed(tissue)
    depth = ndimage.distance_transform_edt(np.pad(enclosed, 1))[1:-1, 1:-1]
    return TissueMap(image, gray, tissue, depth, ndimage.distance_transform_edt(~enclosed))


def disc(image: Field, centre: tuple[int, int], radius: float, outline: tuple[float, ...] = ()) -> Field:
    """Draw a disc on the frame of (H, W, C): 1 inside, 0 outside, with a soft rim a third of the radius wide.

    `outline` are cosine and sine amplitudes of the harmonics 2, 3, ... that make it less round.
    """
    row, column = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    angle = np.arctan2(row - centre[0], column - centre[1])
    edge = np.full(angle.shape, radius)
    for number, amplitude in enumerate(outline):
        wave = np.cos if number % 2 == 0 else np.sin
        edge += radius * amplitude * wave((2 + number // 2) * angle)
    share: Field = np.clip((edge - _distances(image.shape[:2], centre)) / (radius / 3) + 0.5, 0, 1)
    return share


def otsu(gray: Field) -> float:
    """Find the level that parts grey levels in [0, 1] into the two classes that differ most (Otsu 1979)."""
    counts, edges = np.histogram(gray, bins=BINS, range=(0.0, 1.0))
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = gray.size - below
    sums = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    between = np.where((below > 0) & (above > 0), below * above * np.square(apart), 0.0)
    best = np.flatnonzero(between == between.max())
    return float(edges[1:-1][best].mean())


def _tissue(gray: Field) -> NDArray[np.bool_]:
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    level = otsu(gray)
    foreground = gray > level if np.median(border) <= level else gray <= level
    steps = max(1, min(gray.shape) // 32)
    closed = ndimage.binary_closing(np.pad(foreground, steps), iterations=steps)[steps:-steps, steps:-steps]
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(closed)
    parts, count = ndimage.label(filled)
    if count == 0:
        return np.ones_like(filled)
    sizes = np.bincount(parts.ravel())[1:]
    kept: NDArray[np.bool_] = np.isin(parts, np.flatnonzero(sizes >= 0.1 * sizes.max()) + 1)
    return kept if kept.mean() >= LEAST_SHARE else np.ones_like(kept)


def _enclosed(tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add to the tissue what has tissue on both sides in its row or column, as lungs in a chest."""
    across = np.logical_or.accumulate(tissue, 1) & np.logical_or.accumulate(tissue[:, ::-1], 1)[:, ::-1]
    down = np.logical_or.accumulate(tissue, 0) & np.logical_or.accumulate(tissue[::-1], 0)[::-1]
    hull: NDArray[np.bool_] = across | down
    return hull


def _distances(shape: tuple[int, ...], place: tuple[int, int]) -> Field:
    row, column = np.mgrid[0 : shape[0], 0 : shape[1]]
    distances: Field = np.hypot(row - place[0], column - place[1])
    return distances
