"""The two simulated lesions of the virtual cohort: their place, their mass effect, their look on T1.

A lesion is drawn on a coarse sample of the subject's anatomy, so that it lies in tissue. Then it does two things on a
frame of any resolution: `push` gives how the tissue around it moved, `paint` changes the T1 image and gives the
lesion's share of each pixel.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from curation.ingest.virtual_brains.anatomy import FIELD_OF_VIEW_MM, Field, Tissue, frame_mm, smooth_field

Array = NDArray[np.float64]

_COARSE_MM = FIELD_OF_VIEW_MM / 64


class Lesion(Protocol):
    """A lesion as rendering uses it. Positions are in frame millimetres, images (n, n)."""

    def push(self, n: int) -> tuple[Array, Array]:
        """Give (dx, dy) at each position: where the tissue seen there came from."""
        ...

    def paint(self, tissue: Tissue) -> tuple[Field, Field]:
        """Give the T1 picture with the lesion in it, and the lesion's share of each pixel (0..1)."""
        ...


@dataclass(frozen=True)
class RingLesion:
    """A post-contrast ring: bright uneven rim, necrotic core, mass effect, T1-dark oedema of the white matter."""

    centre_mm: tuple[float, float]
    radius_mm: float
    skull_mm: Array  # (64, 64) distance to the brain's surface, which the mass effect must not bulge
    outline: Array  # (5, 2) cosine and sine amplitudes of harmonics 1..5 of the outer outline
    thickness: Array  # (3, 2) the same for the thickness of the rim
    rim_share: float  # mean thickness of the rim over the radius
    rim_level: float  # T1, white matter is 1
    core_level: float
    oedema: float  # share of the white-matter signal lost next to the rim
    oedema_mm: float
    texture: Array  # (15, 15) control points

    @classmethod
    def draw(cls, rng: np.random.Generator, coarse: Tissue) -> "RingLesion":
        """Draw a ring 27 to 54 mm across (8 to 16 pixels of 64) centred in tissue, off the midline."""
        radius = rng.uniform(14.0, 25.0)
        x, y = frame_mm(64)
        depth = ndimage.distance_transform_edt(coarse.brain > 0.5) * _COARSE_MM
        tissue = (coarse.gray + coarse.white) * (coarse.brain > 0.5)
        room = (depth > radius * 0.95 + 3) & (np.abs(x) > 0.55 * radius + 5)
        weight = np.where(room, tissue * (0.3 + coarse.white), 0).ravel().astype(np.float64)
        chosen = np.unravel_index(int(rng.choice(weight.size, p=weight / weight.sum())), (64, 64))
        order = np.arange(1, 6)[:, None]
        return cls(
            centre_mm=(float(x[chosen]), float(y[chosen])),
            radius_mm=radius,
            skull_mm=ndimage.gaussian_filter(depth, 1.0),
            outline=rng.normal(0, 0.11, (5, 2)).clip(-0.2, 0.2) / order**0.8,
            thickness=rng.normal(0, 0.14, (3, 2)).clip(-0.25, 0.25),
            rim_share=rng.uniform(0.20, 0.34),
            rim_level=rng.uniform(1.32, 1.58),
            core_level=rng.uniform(0.28, 0.46),
            oedema=rng.uniform(0.28, 0.46),
            oedema_mm=rng.uniform(12.0, 26.0),
            texture=rng.normal(0, 1, (15, 15)),
        )

    @property
    def middle_mm(self) -> tuple[float, float]:
        """The middle of the lesion in the frame."""
        return self.centre_mm

    @property
    def across_mm(self) -> float:
        """The mean diameter of the ring."""
        return 2 * self.radius_mm

    def _polar(self, n: int) -> tuple[Array, Array, Array, Array]:
        """Offsets from the centre, distance from it, and the outer radius in that direction, all (n, n) mm."""
        x, y = frame_mm(n)
        dx, dy = x - self.centre_mm[0], y - self.centre_mm[1]
        distance = np.hypot(dx, dy) + 1e-6
        return dx, dy, distance, self.radius_mm * (1 + _around(self.outline, dx / distance, dy / distance))

    def push(self, n: int) -> tuple[Array, Array]:
        """Tissue gave way: what was inside the ring is now around it; far tissue and the surface stayed."""
        dx, dy, distance, edge = self._polar(n)
        beyond = np.clip(distance - edge, 0, None)
        shift = np.minimum(0.42 * edge, 0.9 * distance) * np.exp(-beyond / (0.5 * self.radius_mm))
        skull = ndimage.zoom(self.skull_mm, n / 64, order=1, mode="nearest", grid_mode=True)
        shift = shift * np.clip(skull / 14 - 0.1, 0, 1)
        return -shift * dx / distance, -shift * dy / distance

    def paint(self, tissue: Tissue) -> tuple[Field, Field]:
        """Darken the white matter around the ring, then lay core and rim over it."""
        n = tissue.t1.shape[0]
        dx, dy, distance, edge = self._polar(n)
        soft = FIELD_OF_VIEW_MM / n
        grain = smooth_field(self.texture, n)
        share = self.rim_share * (1 + 1.2 * _around(self.thickness, dx / distance, dy / distance)) + 0.03 * grain
        outer = np.clip((edge - distance) / soft + 0.5, 0, 1)
        inner = np.clip((edge * (1 - share.clip(0.12, 0.5)) - distance) / soft + 0.5, 0, 1)
        reach = np.clip(1 - (distance - edge) / (self.oedema_mm * (1 + 0.5 * grain).clip(0.4, 1.8)), 0, 1)
        white = np.clip(tissue.white * 1.6 - 0.5, 0, 1)
        wet = tissue.t1 * (1 - self.oedema * white * (reach * (2 - reach)))
        rim = self.rim_level * (1 + 0.7 * _around(self.thickness[::-1], dx / distance, dy / distance)) + 0.06 * grain
        core = self.core_level * (1 + 0.16 * grain)
        painted = (1 - outer) * wet + (outer - inner) * rim.clip(1.25, 1.75) + inner * core
        return painted.astype(np.float32), (outer * tissue.brain).astype(np.float32)


@dataclass(frozen=True)
class OldInfarct:
    """An old cortical infarct: T1-dark wedge that opens to the brain surface, with sunken cortex."""

    apex_mm: tuple[float, float]
    outward: tuple[float, float]  # unit vector from the apex to the surface
    depth_mm: float
    half_width_mm: float  # at the surface
    level: float  # T1 inside the wedge, white matter is 1
    loss: float  # share of the tissue signal that is gone
    sunken_mm: float
    texture: Array  # (15, 15) control points

    @classmethod
    def draw(cls, rng: np.random.Generator, coarse: Tissue) -> "OldInfarct":
        """Draw a wedge whose base lies on the surface of this brain, away from the midline at front and back."""
        x, y = frame_mm(64)
        brain = coarse.brain > 0.5
        middle = float(x[brain].mean()), float(y[brain].mean())
        angle = rng.uniform(-65, 65) if rng.random() < 0.5 else rng.uniform(115, 245)
        outward = float(np.cos(np.deg2rad(angle))), float(np.sin(np.deg2rad(angle)))
        along = (x - middle[0]) * outward[0] + (y - middle[1]) * outward[1]
        aside = np.abs((x - middle[0]) * outward[1] - (y - middle[1]) * outward[0])
        surface = float(along[brain & (aside < 1.5 * _COARSE_MM)].max())
        depth = rng.uniform(30.0, 46.0)
        return cls(
            apex_mm=(middle[0] + (surface - depth) * outward[0], middle[1] + (surface - depth) * outward[1]),
            outward=outward,
            depth_mm=depth,
            half_width_mm=rng.uniform(16.0, 26.0),
            level=rng.uniform(0.20, 0.34),
            loss=rng.uniform(0.80, 0.97),
            sunken_mm=rng.uniform(3.0, 8.0),
            texture=rng.normal(0, 1, (15, 15)),
        )

    @property
    def middle_mm(self) -> tuple[float, float]:
        """The middle of the wedge in the frame."""
        halfway = self.depth_mm / 2
        return self.apex_mm[0] + halfway * self.outward[0], self.apex_mm[1] + halfway * self.outward[1]

    @property
    def across_mm(self) -> float:
        """The width of the wedge at the surface of the brain."""
        return 2 * self.half_width_mm

    def _wedge(self, n: int) -> tuple[Array, Array]:
        """Position of every pixel in the wedge's own axes: outward from the apex, and to its side, (n, n) mm."""
        x, y = frame_mm(n)
        dx, dy = x - self.apex_mm[0], y - self.apex_mm[1]
        return dx * self.outward[0] + dy * self.outward[1], dx * self.outward[1] - dy * self.outward[0]

    def push(self, n: int) -> tuple[Array, Array]:
        """Let the surface over the wedge sink in, and the ventricle on its deep side widen."""
        along, aside = self._wedge(n)
        over = np.exp(-((aside / self.half_width_mm) ** 2))
        sunk = over * np.clip(along / self.depth_mm, 0, 1) ** 2
        drawn_out = over * np.exp(-(((along + 10) / 14) ** 2))
        shift = self.sunken_mm * (sunk - 0.6 * drawn_out)
        return shift * self.outward[0], shift * self.outward[1]

    def paint(self, tissue: Tissue) -> tuple[Field, Field]:
        """Replace most of the signal in the wedge by a signal near fluid, unevenly and with a ragged border."""
        n = tissue.t1.shape[0]
        along, aside = self._wedge(n)
        grain = smooth_field(self.texture, n)
        width = self.half_width_mm * np.clip(along / self.depth_mm, 0, 1.2) ** 0.6
        inside = np.clip((width - np.abs(aside) + 5.0 * grain) / 6.0 + 0.5, 0, 1) * np.clip(along / 4.0, 0, 1)
        share = inside * tissue.brain
        lost = share * np.clip(self.loss + 0.12 * grain, 0.6, 1)
        fluid = np.minimum(self.level * (1 + 0.2 * grain), tissue.t1 + 0.1) * tissue.brain
        painted = (1 - lost) * tissue.t1 + lost * fluid
        return painted.astype(np.float32), share.astype(np.float32)


def _around(harmonics: Array, cosine: Array, sine: Array) -> Array:
    """Sum cosine and sine harmonics 1..k of the direction given by its cosine and sine."""
    turn = cosine + 1j * sine
    total, power = np.zeros_like(cosine), np.ones_like(turn)
    for a, b in harmonics:
        power = power * turn
        total += a * power.real + b * power.imag
    return total
