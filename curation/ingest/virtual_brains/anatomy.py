"""The anatomy of the virtual cohort: one averaged brain, and random warps that make many of it.

The template is MNI152 ICBM 2009a symmetric (Fonov et al. 2011), T1 and tissue maps, as nilearn packages them. A subject
samples it along one warped axial plane: only the wanted slice is ever interpolated, and every smooth field is a small
grid of cubic B-spline control points (free-form deformation, Rueckert et al. 1999), so no field needs a large filter.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nibabel
import nilearn
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]

FIELD_OF_VIEW_MM = 216.0  # edge of the square frame
BRAIN_CENTRE_Y_MM = -17.0  # MNI y of the middle of the brain at the level of the ventricles
LEVELS_MM = (2.0, 24.0)  # MNI z: from the anterior commissure to the bodies of the lateral ventricles
_SLAB_MM = (-24, 52)  # MNI z kept in memory: the levels, plus room for tilt and through-plane warps
_TEMPLATE_FILE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"


class Tissue(NamedTuple):
    """One plane of the template, each (n, n) float32: T1 with white matter near 1, and tissue shares in 0..1."""

    t1: Field
    gray: Field
    white: Field
    brain: Field


class Template(NamedTuple):
    """The part of the template in memory: volumes (x, y, z) at 1 mm, and the MNI coordinate of voxel (0, 0, 0)."""

    volumes: Tissue
    occupied: NDArray[np.uint8]  # 1 wherever interpolation could give anything but 0
    origin_mm: tuple[float, float, float]


@cache
def load_template() -> Template:
    """Read the packaged template once per process, keep the slab that is needed, and sharpen the T1."""
    folder = Path(nilearn.__file__).parent / "datasets" / "data"
    image = nibabel.nifti1.Nifti1Image.from_filename(folder / _TEMPLATE_FILE.format("t1"))
    assert image.affine is not None
    x0, y0, z0 = (float(v) for v in image.affine[:3, 3])
    slab = slice(int(_SLAB_MM[0] - z0), int(_SLAB_MM[1] - z0))

    def read(kind: str) -> Field:
        volume = nibabel.nifti1.Nifti1Image.from_filename(folder / _TEMPLATE_FILE.format(kind))
        return np.asarray(volume.dataobj[..., slab], dtype=np.float32)

    t1, gray, white = read("t1"), read("gm") / np.float32(255), read("wm") / np.float32(255)
    inside = ndimage.binary_fill_holes(ndimage.binary_opening(t1 > 20, iterations=2))
    brain = ndimage.gaussian_filter(inside.astype(np.float32), 0.7)
    t1 = t1 / np.median(t1[white > 0.9])
    # Averaging 152 heads blurred the gyri: an unsharp mask gives back some of the contrast of a single head.
    crisp = np.clip(t1 + 0.9 * (t1 - ndimage.gaussian_filter(t1, 2.5)), 0.12, 1.2) * inside
    crisp = ndimage.gaussian_filter(crisp.astype(np.float32), 0.6)
    something = (crisp > 0) | (gray > 0) | (white > 0) | (brain > 0)
    occupied = ndimage.binary_dilation(something, np.ones((3, 3, 3)), iterations=2).astype(np.uint8)
    return Template(Tissue(crisp, gray, white, brain), occupied, (x0, y0, _SLAB_MM[0]))


@cache
def _spline_basis(n: int, knots: int) -> NDArray[np.float64]:
    """Uniform cubic B-spline basis (n, knots + 3) over n pixel centres; its rows sum to one."""
    position = (np.arange(n) + 0.5) / n * knots
    distance = np.abs(position[:, None] - (np.arange(knots + 3) - 1)[None, :])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return np.where(distance < 1, near, far)


def smooth_field(control: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Spread control points (k, k) over the frame as a smooth (n, n) field."""
    basis = _spline_basis(n, control.shape[0] - 3)
    spread: NDArray[np.float64] = basis @ control @ basis.T
    return spread


def frame_mm(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (x right, y up) of the n x n pixel centres in millimetres from the middle of the frame."""
    offset = ((np.arange(n) + 0.5) / n - 0.5) * FIELD_OF_VIEW_MM
    return np.broadcast_to(offset[None, :], (n, n)), np.broadcast_to(-offset[:, None], (n, n))


@dataclass(frozen=True)
class Warp:
    """The shape of one head: frame position to template position. Drawn once, sampled at any resolution."""

    affine: NDArray[np.float64]  # (3, 3) frame mm to template mm, about the middle of the brain
    level_mm: float
    ventricle_gain: tuple[float, float]  # widening of the ventricles, left and right of the picture
    petalia_mm: float  # one hemisphere reaches further forward than the other
    side_gain: float  # one hemisphere is wider than the other
    coarse_mm: NDArray[np.float64]  # (3, 7, 7) control points
    fine_mm: NDArray[np.float64]  # (3, 14, 14)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Warp":
        """Draw the shape of a head; the ranges keep the whole brain inside the frame."""
        gain = rng.uniform(-0.15, 0.32)
        return cls(
            affine=_draw_affine(rng),
            level_mm=rng.uniform(*LEVELS_MM),
            ventricle_gain=(gain + rng.normal(0, 0.05), gain + rng.normal(0, 0.05)),
            petalia_mm=float(np.clip(rng.normal(0, 1.6), -3.5, 3.5)),
            side_gain=float(np.clip(rng.normal(0, 0.018), -0.04, 0.04)),
            coarse_mm=np.clip(rng.normal(0, 1, (3, 7, 7)), -2, 2) * np.array([5.0, 4.5, 4.5])[:, None, None],
            fine_mm=np.clip(rng.normal(0, 1, (3, 14, 14)), -2, 2) * np.array([3.2, 3.2, 3.2])[:, None, None],
        )

    def sample(self, n: int, pushed_mm: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None) -> Tissue:
        """Sample the template on an n x n frame. `pushed_mm` (dx, dy) moves what is sampled: mass effect, loss."""
        across, up = frame_mm(n)
        if pushed_mm is not None:
            across, up = across + pushed_mm[0], up + pushed_mm[1]
        x, y, z = (row[0] * across + row[1] * up for row in self.affine)
        side = np.tanh(x / 15)
        near = np.exp(-((x / 20) ** 2 + ((y - 4) / 42) ** 2) / 2)
        left, right = self.ventricle_gain
        x = x * (1 + self.side_gain * side - near * (left + (right - left) * (side + 1) / 2))
        y = y + self.petalia_mm * side
        moved = [smooth_field(c, n) + smooth_field(f, n) for c, f in zip(self.coarse_mm, self.fine_mm, strict=True)]
        template = load_template()
        ox, oy, oz = template.origin_mm
        # Radiological convention: the right of the picture is the subject's left, which is -x in MNI space.
        points = np.stack(
            [-(x + moved[0]) - ox, y + moved[1] + BRAIN_CENTRE_Y_MM - oy, z + moved[2] + self.level_mm - oz]
        )
        occupied = ndimage.map_coordinates(template.occupied, points, order=0) > 0  # half the frame is background
        return Tissue(*(_interpolate(volume, points[:, occupied], occupied) for volume in template.volumes))


def _interpolate(volume: Field, points: NDArray[np.float64], occupied: NDArray[np.bool_]) -> Field:
    """Sample a volume at the points (3, k) of the frame's k occupied pixels; the others are 0."""
    plane = np.zeros(occupied.shape, np.float32)
    plane[occupied] = ndimage.map_coordinates(volume, points, order=1, output=np.float32)
    return plane


def _draw_affine(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw scale, shear, rotation and tilt as one matrix from frame to template millimetres."""
    size = rng.uniform(0.89, 1.02)
    wide, long = rng.uniform(0.95, 1.06), rng.uniform(0.95, 1.02)
    scale = np.diag([1 / (size * wide), 1 / (size * long), 1.0])
    shear = np.eye(3)
    shear[0, 1] = rng.normal(0, 0.02)
    turn, pitch, roll = np.deg2rad(rng.normal(0, [4.0, 4.0, 2.0]).clip([-10, -9, -5], [10, 9, 5]))
    in_plane = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    nod = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    lean = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    matrix: NDArray[np.float64] = nod @ lean @ shear @ scale @ in_plane
    return matrix
