"""The kinds of planted defects: each is drawn as plain parameters, and applied as a function of them and the picture.

Each one is what an attentive reader sees and what a generator might do. Visibility was judged by eye on 64 px brain
slices, 28 px chest radiographs and RGB cells.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from curation.alterations.tissue import Field, Look, disc, look_at

Random: TypeAlias = np.random.Generator
SEEN = 0.058  # root mean square change, of the picture's reach of levels, that an attentive reader sees
PLACES = 6  # tried for a copied structure: where it differs most from what was there, it is seen best


class Defect(Protocol):
    """Parameters of one defect. Pictures are (H, W, C) float64 in [0, 1], lengths in pixels."""

    name: ClassVar[str]

    @classmethod
    def draw(cls, random: Random, look: Look) -> Self:
        """Choose where and how strongly."""
        ...

    def apply(self, picture: Field) -> Field:
        """The damaged picture; values may leave [0, 1]."""
        ...


@dataclass(frozen=True, slots=True)
class DuplicatedStructure:
    """A patch with structure in it appears a second time elsewhere in the tissue, blended in."""

    source: tuple[int, int]
    target: tuple[int, int]
    radius: float

    name: ClassVar[str] = "duplicated_structure"

    @classmethod
    def draw(cls, random: Random, look: Look) -> "DuplicatedStructure":
        """Take a patch that stands out, and plain tissue two radii away or more where it does so too."""
        radius = look.edge * float(random.uniform(0.145, 0.19))
        stands_out = np.square(look.detail(radius)) * look.depth_at_least(0.8 * radius)
        covered = look.covered(radius)
        drawn = []
        for _ in range(PLACES):
            source = look.place(random, stands_out)
            drawn.append(cls(source, look.place(random, look.plain(source, radius, covered)), radius))
        return max(drawn, key=lambda one: one._difference(look.picture))

    def _difference(self, picture: Field) -> float:
        over = np.square(_moved(picture, self.source, self.target) - picture).mean(axis=2)
        return float(np.average(over, weights=disc(picture, self.target, self.radius)))

    def apply(self, picture: Field) -> Field:
        """Blend the patch over the target, tissue over tissue."""
        tissue = look_at(picture).softly
        share = disc(picture, self.target, self.radius) * tissue
        share *= _moved(tissue[:, :, None], self.source, self.target)[:, :, 0]
        return _blend(picture, _moved(picture, self.source, self.target), share)


@dataclass(frozen=True, slots=True)
class Asymmetry:
    """One half gives way to the other one's mirror image, squeezed towards the midline and slid along it."""

    midline: float
    right: bool
    squeezed: float
    slid: float

    name: ClassVar[str] = "asymmetry"

    @classmethod
    def draw(cls, random: Random, look: Look) -> "Asymmetry":
        """Take the midline of the tissue."""
        slid = look.edge * float(random.uniform(0.07, 0.11) * random.choice([-1, 1]))
        return cls(look.centre[1], bool(random.integers(2)), float(random.uniform(0.38, 0.58)), slid)

    def apply(self, picture: Field) -> Field:
        """Sample the other half through a smooth warp that leaves the frame's edges where they are."""
        height, width = picture.shape[:2]
        row, column = np.mgrid[0:height, 0:width].astype(np.float64)
        ends = (width - 1 - self.midline, self.midline)
        side, own, other = (1, *ends) if self.right else (-1, *ends[::-1])
        beside = side * (column - self.midline)
        way = np.clip(beside / own, 0, 1)
        from_column = self.midline - side * other * (way + self.squeezed * np.sin(np.pi * way) / np.pi)
        from_row = row - self.slid * np.sin(np.pi * row / (height - 1))
        return _blend(picture, _sampled(picture, from_row, from_column), np.clip(beside / 2 + 0.5, 0, 1))


@dataclass(frozen=True, slots=True)
class LesionOutside:
    """A lesion-like body where there is no tissue: a copied patch or a round mass, inside the frame."""

    target: tuple[int, int]
    radius: float
    source: tuple[int, int]
    level: tuple[float, ...]
    mass: float
    outline: tuple[float, ...]

    name: ClassVar[str] = "lesion_outside"

    @classmethod
    def draw(cls, random: Random, look: Look) -> "LesionOutside":
        """Take a place outside the tissue, near enough to it that it looks like anatomy gone astray."""
        radius = look.edge * float(random.uniform(0.07, 0.1))
        source = look.place(random, look.detail(radius) * look.depth_at_least(radius))
        target = look.outside(random, radius)
        outline = tuple(float(part) for part in random.normal(0, 0.08, 4))
        return cls(target, radius, source, look.level_against(target), float(random.uniform(0.5, 0.8)), outline)

    def apply(self, picture: Field) -> Field:
        """Paint a mass of the tissue's level, mixed with the texture of the copied patch."""
        texture = _moved(picture, self.source, self.target)
        body = self.mass * np.asarray(self.level) + (1 - self.mass) * texture
        return _blend(picture, body, disc(picture, self.target, self.radius, self.outline))


@dataclass(frozen=True, slots=True)
class Ghosting:
    """Faint copies along one axis that wrap around, as motion makes along the phase-encoding direction in MR."""

    axis: int
    shift: int
    strength: float
    background: tuple[float, ...]

    name: ClassVar[str] = "ghosting"

    @classmethod
    def draw(cls, random: Random, look: Look) -> "Ghosting":
        """Take an axis and a shift of a fifth to a third of the frame."""
        axis = int(random.integers(2))
        shift = max(2, round(look.picture.shape[axis] * random.uniform(0.2, 0.34)))
        # Over black the faintest copy is seen; a frame full of tissue hides much.
        return cls(axis, shift, float(random.uniform(0.13, 0.18)) + 0.25 * look.filled**3, look.background_level())

    def apply(self, picture: Field) -> Field:
        """Add the copies to what stands out from the background, and take the same from the picture."""
        signal = picture - np.asarray(self.background)
        ghosts = np.roll(signal, self.shift, self.axis) + np.roll(signal, -self.shift, self.axis)
        ghosted: Field = picture + self.strength * (ghosts - 0.5 * signal)
        return ghosted


@dataclass(frozen=True, slots=True)
class LocalBlur:
    """A round part of the tissue lost its detail while the rest kept it."""

    centre: tuple[int, int]
    radius: float
    sigma: float

    name: ClassVar[str] = "local_blur"

    @classmethod
    def draw(cls, random: Random, look: Look) -> "LocalBlur":
        """Take a place with detail to lose, and smooth until the loss is seen."""
        radius = max(7.0, look.edge * float(random.uniform(0.16, 0.21)))
        centre = look.place(random, look.detail(radius) * look.depth_at_least(0.5 * radius))
        drawn = cls(centre, radius, max(1.2, look.edge * float(random.uniform(0.02, 0.028))))
        while drawn.sigma < 0.5 * radius and _faint(drawn, look, disc(look.picture, centre, radius)) > 1:
            drawn = replace(drawn, sigma=1.25 * drawn.sigma)
        return drawn

    def apply(self, picture: Field) -> Field:
        """Blend in a smoothed copy."""
        smooth = ndimage.gaussian_filter(picture, (self.sigma, self.sigma, 0), mode="nearest")
        return _blend(picture, smooth, disc(picture, self.centre, self.radius))


@dataclass(frozen=True, slots=True)
class LocalNoise:
    """A round part of the tissue is grainy while the rest is not."""

    centre: tuple[int, int]
    radius: float
    strength: float
    noise_seed: int

    name: ClassVar[str] = "local_noise"

    @classmethod
    def draw(cls, random: Random, look: Look) -> "LocalNoise":
        """Take a place well inside the tissue, and a strength by the picture's range of levels."""
        radius = look.edge * float(random.uniform(0.16, 0.22))
        centre = look.place(random, look.depth_at_least(0.7 * radius))
        strength = look.reach * random.uniform(0.12, 0.17)
        return cls(centre, radius, float(strength), int(random.integers(2**31)))

    def apply(self, picture: Field) -> Field:
        """Add the same grain to every channel."""
        grain = np.random.default_rng(self.noise_seed).normal(0, self.strength, picture.shape[:2])
        return picture + (grain * disc(picture, self.centre, self.radius))[:, :, None]


KINDS: tuple[type[Defect], ...] = (
    DuplicatedStructure,
    Asymmetry,
    LesionOutside,
    Ghosting,
    LocalBlur,
    LocalNoise,
)


def _faint(defect: Defect, look: Look, where: Field) -> float:
    """How many times too small the change is, `where` it was made: 1 is just seen."""
    change = np.square(defect.apply(look.picture) - look.picture).mean(axis=2)
    made = float(np.sqrt(np.average(change, weights=where)))
    return SEEN * look.reach / max(made, 1e-9)


def _blend(picture: Field, over: Field, share: NDArray[np.float64]) -> Field:
    return picture + share[:, :, None] * (over - picture)


def _moved(picture: Field, source: tuple[int, int], target: tuple[int, int]) -> Field:
    """The picture shifted so that `source` comes to lie on `target`; edges repeat."""
    rows = np.clip(np.arange(picture.shape[0]) + source[0] - target[0], 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(picture.shape[1]) + source[1] - target[1], 0, picture.shape[1] - 1)
    return picture[np.ix_(rows, columns)]


def _sampled(picture: Field, row: Field, column: Field) -> Field:
    channels = [
        ndimage.map_coordinates(picture[:, :, channel], [row, column], order=1, mode="nearest")
        for channel in range(picture.shape[2])
    ]
    return np.stack(channels, axis=2)
