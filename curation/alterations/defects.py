"""The kinds of planted defects: each is drawn as parameters and applied as a function of them.

An attentive reader sees each of them, and a generator might make it. Visibility was judged by eye on 64 px brain
slices, 28 px chest radiographs and RGB cells.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from curation.alterations.tissue import Field, TissueMap, disc, map_tissue

Random: TypeAlias = np.random.Generator
SEEN = 0.058  # root mean square change, of the image's range of levels, that an attentive reader sees
PLACES = 6  # tried for a copied structure; where it changes the image most, it is seen best


class Defect(Protocol):
    """Parameters of one defect. Images are (H, W, C) float64 in [0, 1], lengths in pixels."""

    name: ClassVar[str]

    @classmethod
    def draw(cls, random: Random, tissue_map: TissueMap) -> Self:
        """Choose where and how strongly."""
        ...

    def apply(self, image: Field) -> Field:
        """The damaged image; values may leave [0, 1]."""
        ...


@dataclass(frozen=True, slots=True)
class DuplicatedStructure:
    """A patch with structure in it appears a second time elsewhere in the tissue, blended in."""

    source: tuple[int, int]
    target: tuple[int, int]
    radius: float

    name: ClassVar[str] = "duplicated_structure"

    @classmethod
    def draw(cls, random: Random, tissue_map: TissueMap) -> "DuplicatedStructure":
        """Choose a patch with detail, and a target with little detail at least two radii away."""
        radius = tissue_map.edge * float(random.uniform(0.145, 0.19))
        stands_out = np.square(tissue_map.detail(radius)) * tissue_map.depth_at_least(0.8 * radius)
        covered = tissue_map.covered(radius)
        drawn = []
        for _ in range(PLACES):
            source = tissue_map.place(random, stands_out)
            drawn.append(cls(source, tissue_map.place(random, tissue_map.plain(source, radius, covered)), radius))
        return max(drawn, key=lambda defect: defect._difference(tissue_map.image))

    def _difference(self, image: Field) -> float:
        over = np.square(_moved(image, self.source, self.target) - image).mean(axis=2)
        return float(np.average(over, weights=disc(image, self.target, self.radius)))

    def apply(self, image: Field) -> Field:
        """Blend the patch over the target, tissue over tissue."""
        tissue = map_tissue(image).softly
        share = disc(image, self.target, self.radius) * tissue
        share *= _moved(tissue[:, :, None], self.source, self.target)[:, :, 0]
        return _blend(image, _moved(image, self.source, self.target), share)


@dataclass(frozen=True, slots=True)
class Asymmetry:
    """One half is replaced by the mirror image of the other, squeezed towards the midline and slid along it."""

    midline: float
    right: bool
    squeezed: float
    slid: float

    name: ClassVar[str] = "asymmetry"

    @classmethod
    def draw(cls, random: Random, tissue_map: TissueMap) -> "Asymmetry":
        """Choose the midline of the tissue, the side, the squeeze and the slide."""
        slid = tissue_map.edge * float(random.uniform(0.07, 0.11) * random.choice([-1, 1]))
        return cls(tissue_map.centre[1], bool(random.integers(2)), float(random.uniform(0.38, 0.58)), slid)

    def apply(self, image: Field) -> Field:
        """Sample the other half through a smooth warp that leaves the frame's edges where they are."""
        height, width = image.shape[:2]
        row, column = np.mgrid[0:height, 0:width].astype(np.float64)
        ends = (width - 1 - self.midline, self.midline)
        side, replaced, kept = (1, *ends) if self.right else (-1, *ends[::-1])
        beside = side * (column - self.midline)
        way = np.clip(beside / replaced, 0, 1)
        from_column = self.midline - side * kept * (way + self.squeezed * np.sin(np.pi * way) / np.pi)
        from_row = row - self.slid * np.sin(np.pi * row / (height - 1))
        return _blend(image, _sampled(image, from_row, from_column), np.clip(beside / 2 + 0.5, 0, 1))


@dataclass(frozen=True, slots=True)
class LesionOutside:
    """A lesion-like body where there is no tissue, inside the frame: a round mass with a copied texture."""

    target: tuple[int, int]
    radius: float
    source: tuple[int, int]
    level: tuple[float, ...]
    mass: float
    outline: tuple[float, ...]

    name: ClassVar[str] = "lesion_outside"

    @classmethod
    def draw(cls, random: Random, tissue_map: TissueMap) -> "LesionOutside":
        """Choose a place outside the tissue and near it."""
        radius = tissue_map.edge * float(random.uniform(0.07, 0.1))
        source = tissue_map.place(random, tissue_map.detail(radius) * tissue_map.depth_at_least(radius))
        target = tissue_map.outside(random, radius)
        outline = tuple(float(part) for part in random.normal(0, 0.08, 4))
        return cls(target, radius, source, tissue_map.level_against(target), float(random.uniform(0.5, 0.8)), outline)

    def apply(self, image: Field) -> Field:
        """Paint a mass of the tissue's level, mixed with the texture of the copied patch."""
        texture = _moved(image, self.source, self.target)
        body = self.mass * np.asarray(self.level) + (1 - self.mass) * texture
        return _blend(image, body, disc(image, self.target, self.radius, self.outline))


@dataclass(frozen=True, slots=True)
class Ghosting:
    """Faint copies along one axis that wrap around, as motion makes along the phase-encoding direction in MR."""

    axis: int
    shift: int
    strength: float
    background: tuple[float, ...]

    name: ClassVar[str] = "ghosting"

    @classmethod
    def draw(cls, random: Random, tissue_map: TissueMap) -> "Ghosting":
        """Choose an axis, and a shift of a fifth to a third of the frame."""
        axis = int(random.integers(2))
        shift = max(2, round(tissue_map.image.shape[axis] * random.uniform(0.2, 0.34)))
        # A copy is seen easily over black, less where tissue fills the frame.
        strength = float(random.uniform(0.13, 0.18)) + 0.25 * tissue_map.filled**3
        return cls(axis, shift, strength, tissue_map.background_level())

    def apply(self, image: Field) -> Field:
        """Add the copies above the background, and take the same signal from the image."""
        signal = image - np.asarray(self.background)
        ghosts = np.roll(signal, self.shift, self.axis) + np.roll(signal, -self.shift, self.axis)
        ghosted: Field = image + self.strength * (ghosts - 0.5 * signal)
        return ghosted


@dataclass(frozen=True, slots=True)
class LocalBlur:
    """A round part of the tissue without its detail."""

    centre: tuple[int, int]
    radius: float
    sigma: float

    name: ClassVar[str] = "local_blur"

    @classmethod
    def draw(cls, random: Random, tissue_map: TissueMap) -> "LocalBlur":
        """Choose a place with detail, and smooth until the loss is seen."""
        radius = max(7.0, tissue_map.edge * float(random.uniform(0.16, 0.21)))
        centre = tissue_map.place(random, tissue_map.detail(radius) * tissue_map.depth_at_least(0.5 * radius))
        drawn = cls(centre, radius, max(1.2, tissue_map.edge * float(random.uniform(0.02, 0.028))))
        where = disc(tissue_map.image, centre, radius)
        while drawn.sigma < 0.5 * radius and _times_too_faint(drawn, tissue_map, where) > 1:
            drawn = replace(drawn, sigma=1.25 * drawn.sigma)
        return drawn

    def apply(self, image: Field) -> Field:
        """Blend in a smoothed copy."""
        smooth = ndimage.gaussian_filter(image, (self.sigma, self.sigma, 0), mode="nearest")
        return _blend(image, smooth, disc(image, self.centre, self.radius))


@dataclass(frozen=True, slots=True)
class LocalNoise:
    """A round part of the tissue with grain."""

    centre: tuple[int, int]
    radius: float
    strength: float
    noise_seed: int

    name: ClassVar[str] = "local_noise"

    @classmethod
    def draw(cls, random: Random, tissue_map: TissueMap) -> "LocalNoise":
        """Choose a place well inside the tissue, and a strength by the image's range of levels."""
        radius = tissue_map.edge * float(random.uniform(0.16, 0.22))
        centre = tissue_map.place(random, tissue_map.depth_at_least(0.7 * radius))
        strength = tissue_map.reach * random.uniform(0.12, 0.17)
        return cls(centre, radius, float(strength), int(random.integers(2**31)))

    def apply(self, image: Field) -> Field:
        """Add the same grain to every channel."""
        grain = np.random.default_rng(self.noise_seed).normal(0, self.strength, image.shape[:2])
        return image + (grain * disc(image, self.centre, self.radius))[:, :, None]


KINDS: tuple[type[Defect], ...] = (DuplicatedStructure, Asymmetry, LesionOutside, Ghosting, LocalBlur, LocalNoise)


def _times_too_faint(defect: Defect, tissue_map: TissueMap, where: Field) -> float:
    """Compute how many times too small the change is, `where` it was made: 1 is just seen."""
    change = np.square(defect.apply(tissue_map.image) - tissue_map.image).mean(axis=2)
    size = float(np.sqrt(np.average(change, weights=where)))
    return SEEN * tissue_map.reach / max(size, 1e-9)


def _blend(image: Field, over: Field, share: NDArray[np.float64]) -> Field:
    return image + share[:, :, None] * (over - image)


def _moved(image: Field, source: tuple[int, int], target: tuple[int, int]) -> Field:
    """Shift the image so that `source` lies on `target`; edges repeat."""
    rows = np.clip(np.arange(image.shape[0]) + source[0] - target[0], 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) + source[1] - target[1], 0, image.shape[1] - 1)
    return image[np.ix_(rows, columns)]


def _sampled(image: Field, row: Field, column: Field) -> Field:
    planes = np.moveaxis(image, 2, 0)
    sampled = [ndimage.map_coordinates(plane, [row, column], order=1, mode="nearest") for plane in planes]
    return np.stack(sampled, axis=2)
