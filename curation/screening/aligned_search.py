"""The training images that a picture may be a copy of: found under many poses, then laid over it and compared.

Three steps. Where the picture stands (mirrored, turned, enlarged, moved) is found coarsely, by every training image.
Around the likeliest poses every training image is compared again, and finely. The best few are registered to it, and
how well they then agree is the answer. Pictures are 32 x 32 and band-passed throughout, so that neither brightness nor
noise nor smoothness says much.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from curation.image_store import Pixels
from curation.screening.alignment import LEAST_OVERLAP, agreement, align, correlation, local_flow, smooth
from curation.screening.neighbours import Nearest

SIDE = 32
COARSE = 16
BAND = (1.0, 4.0)  # standard deviations in cells of 32
COMPONENTS = 64
POSES = 4
CANDIDATES = 48
FINALISTS = 6
OTHERS = 2  # of another subject than the best at least, since standing out is measured against them
AT_ONCE = 4_096
KEPT_SCALES = 16_384  # references up to which 1,350 numbers each are kept rather than computed for every picture
COARSE_ITERATIONS, FINE_ITERATIONS = 5, 8
FLOW_STEPS, FLOW_WINDOW = 3, 4.0

MIRRORS = ((1, 1), (-1, 1), (1, -1))
ANGLES = (-12.0, 0.0, 12.0)
SCALES = (0.8, 0.9, 1.0, 1.11, 1.23, 1.37)
SHIFTS = (-0.25, -0.125, 0.0, 0.125, 0.25)  # of half the picture: a cell of 16 is 0.125
NEAR_SCALES = (0.96, 1.0, 1.04)
NEAR_SHIFTS = (-0.06, 0.0, 0.06)


def thumbnails(pixels: Pixels) -> NDArray[np.float32]:
    """(N, 1024): images (N, H, W, C) as gray pictures of 32 x 32, 0 to 1."""
    gray = torch.from_numpy(pixels.astype(np.float32).mean(axis=3) / np.iinfo(pixels.dtype).max)
    small = F.interpolate(gray[:, None], (SIDE, SIDE), mode="bilinear", antialias=True)
    return np.asarray(small.flatten(1).numpy(), np.float32)


def band(thumbs: Tensor) -> Tensor:
    """(N, 1, 32, 32) without its noise and its slow changes."""
    fine, wide = (smooth(thumbs, sigma) for sigma in BAND)
    return fine - wide


def _unit(vectors: Tensor) -> Tensor:
    """Rows of zero mean and unit length; a row without any change stays zero."""
    centred = vectors - vectors.mean(-1, keepdim=True)
    length = centred.norm(dim=-1, keepdim=True)
    return torch.where(length > 1e-4, centred / length.clamp_min(1e-4), torch.zeros(()))


def _poses(
    mirrors: Sequence[tuple[int, int]], angles: Sequence[float], scales: Sequence[float], shifts: Sequence[float]
) -> Tensor:
    """(P, 2, 3) for `affine_grid`, every combination."""
    poses = []
    for mirror, angle, scale, down, across in product(mirrors, np.deg2rad(angles), scales, shifts, shifts):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
        poses.append(np.column_stack([turn * mirror, [across, down]]))
    return torch.tensor(np.array(poses), dtype=torch.float32)


class AlignedSearch:
    """Training thumbnails (M, 1024) and their subjects (M,), ready to be searched."""

    def __init__(self, references: NDArray[np.float32], subjects: NDArray[np.int64]) -> None:
        self.subjects = torch.from_numpy(subjects)
        self.fine = band(torch.from_numpy(references).reshape(-1, 1, SIDE, SIDE))  # (M, 1, 32, 32)
        self.coarse = F.avg_pool2d(self.fine, SIDE // COARSE)  # (M, 1, 16, 16)
        self.vectors = _unit(self.coarse.flatten(1))  # (M, 256)
        # How much of a reference's unit length lies where: only the part that a placed picture covers is compared.
        squares = (self.vectors**2).reshape(-1, 1, COARSE, COARSE)
        self.energy = 4 * F.avg_pool2d(squares, 2).flatten(1) + 1e-6  # (M, 64)
        _, axes = torch.linalg.eigh(self.vectors.T @ self.vectors)
        self.axes = axes[:, -COMPONENTS:]  # (256, 64)
        self.short = self.vectors @ self.axes  # (M, 64)
        self.wide = _poses(MIRRORS, ANGLES, SCALES, SHIFTS)
        few = len(references) <= KEPT_SCALES
        self.wide_scales = list(self._scales(self.wide)) if few else None
        self.upright = _poses(MIRRORS, (0.0,), (1.0,), (0.0,))
        self.near = _poses(MIRRORS[:1], (0.0,), NEAR_SCALES, NEAR_SHIFTS)

    def nearest(self, queries: NDArray[np.float32]) -> Nearest:
        """(N, 2): 1 - correlation with the image that agrees best, and with the best one of another subject."""
        found = list(self._each(queries))
        distances = np.array([[first, second] for first, second, _, _ in found], np.float32).reshape(-1, 2)
        positions = np.array([[first, second] for _, _, first, second in found], np.int64).reshape(-1, 2)
        return Nearest(np.maximum(distances, 0), positions)

    @torch.inference_mode()
    def _each(self, queries: NDArray[np.float32]) -> Iterator[tuple[float, float, int, int]]:
        thumbs = torch.from_numpy(queries).reshape(-1, 1, SIDE, SIDE)
        for thumb, query in zip(thumbs, band(thumbs), strict=True):
            yield self._closest_two(thumb, query)

    def _closest_two(self, thumb: Tensor, query: Tensor) -> tuple[float, float, int, int]:
        small = F.avg_pool2d(query, SIDE // COARSE)
        some, poses = self._coarsely(small, self.wide, short=True)
        likeness = correlation(self._many(small, some), self.coarse[some], poses)
        best = torch.cat([poses[likeness.argsort(descending=True)[:POSES]], self.upright])
        others, near = self._coarsely(small, _around(best, self.near), short=False)
        candidates, poses = torch.cat([some, others]), torch.cat([poses, near])
        likeness = correlation(self._many(small, candidates), self.coarse[candidates], poses)
        kept = self._finalists(candidates, likeness)
        candidates = candidates[kept]
        return self._two_subjects(candidates, self._finely(thumb, query, candidates, poses[kept]))

    def _finely(self, thumb: Tensor, query: Tensor, candidates: Tensor, poses: Tensor) -> Tensor:
        """How well the picture agrees with each candidate once it is laid over it.

        It is moved first and band-passed then: the band of an enlarged picture is not the enlarged band.
        """
        fixed = self.fine[candidates]
        poses = align(self._many(query, candidates), fixed, poses, FINE_ITERATIONS)
        pictures = self._many(thumb, candidates)
        grid = F.affine_grid(poses, [len(poses), 1, SIDE, SIDE], align_corners=False)
        taken, inside = _moved(pictures, grid)
        for _ in range(FLOW_STEPS):
            flow = local_flow(taken, fixed, inside, FLOW_WINDOW)
            grid = grid + torch.einsum("bij,byxj->byxi", poses[:, :, :2], flow)
            taken, inside = _moved(pictures, grid)
        return agreement(taken, inside, fixed)

    @staticmethod
    def _many(picture: Tensor, like: Tensor) -> Tensor:
        return picture[None].expand(len(like), -1, -1, -1)

    def _scales(self, poses: Tensor) -> Iterable[Tensor]:
        """(P, at most 4,096) for each part: 1 / the length of a reference where a picture so placed covers it.

        0 where less than half of it is covered.
        """
        grid = F.affine_grid(poses, [len(poses), 1, COARSE, COARSE], align_corners=False)
        inside = (grid.abs() <= 1).all(-1, keepdim=True).float().permute(0, 3, 1, 2)
        covered = F.avg_pool2d(inside, 2).flatten(1)  # (P, 64)
        covered = torch.where(covered.mean(1, keepdim=True) >= LEAST_OVERLAP, covered, torch.inf)
        return ((covered @ energy.T).rsqrt_() for energy in self.energy.split(AT_ONCE))

    def _coarsely(self, small: Tensor, poses: Tensor, short: bool) -> tuple[Tensor, Tensor]:
        """The references most like the picture in any of `poses`, and its pose on each, improved.

        `short` compares the 64 strongest components of 256.
        """
        grid = F.affine_grid(poses, [len(poses), 1, COARSE, COARSE], align_corners=False)
        placed = _unit(F.grid_sample(self._many(small, poses), grid, align_corners=False).flatten(1))
        placed, references = (placed @ self.axes, self.short) if short else (placed, self.vectors)
        scales = self.wide_scales if short and self.wide_scales else self._scales(poses)
        parts = [
            (placed @ some.T).mul_(scale).max(0) for some, scale in zip(references.split(AT_ONCE), scales, strict=True)
        ]
        likeness = torch.cat([part.values for part in parts])
        chosen = self._likeliest(likeness)
        start = poses[torch.cat([part.indices for part in parts])[chosen]]
        return chosen, align(self._many(small, chosen), self.coarse[chosen], start, COARSE_ITERATIONS)

    def _likeliest(self, likeness: Tensor) -> Tensor:
        """Positions of the 48 likeliest references, with some of another subject where one subject has them all."""
        chosen = likeness.topk(min(CANDIDATES, len(likeness))).indices
        same = self.subjects == self.subjects[chosen[0]]
        if int((~same[chosen]).sum()) >= OTHERS or bool(same.all()):
            return chosen
        rest = likeness.masked_fill(same, -torch.inf).topk(min(OTHERS, int((~same).sum()))).indices
        return torch.unique(torch.cat([chosen, rest]))

    def _finalists(self, candidates: Tensor, likeness: Tensor) -> Tensor:
        """Positions of the best six, each reference once, and of the best two of another subject than the first."""
        kept: dict[int, int] = {}
        subjects = self.subjects[candidates].tolist()
        order = likeness.argsort(descending=True).tolist()
        others = 0
        for position in order:
            reference, other = int(candidates[position]), subjects[position] != subjects[order[0]]
            if reference not in kept and (len(kept) < FINALISTS or (other and others < OTHERS)):
                kept[reference] = position
                others += other
        return torch.tensor(list(kept.values()))

    def _two_subjects(self, candidates: Tensor, likeness: Tensor) -> tuple[float, float, int, int]:
        first = int(likeness.argmax())
        subjects = self.subjects[candidates]
        others = torch.where(subjects == subjects[first], -torch.inf, likeness)
        second = int(others.argmax())
        return float(1 - likeness[first]), float(1 - others[second]), int(candidates[first]), int(candidates[second])


def _moved(pictures: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Band-passed after being moved, and which cells lie inside of the picture."""
    taken = band(F.grid_sample(pictures, grid, padding_mode="border", align_corners=False))
    return taken, (grid.abs() <= 1).all(-1).flatten(1).float()


def _around(poses: Tensor, near: Tensor) -> Tensor:
    """Each of `poses` with each small change of `near` before it: (P * Q, 2, 3)."""
    last_row = torch.tensor([0.0, 0.0, 1.0])
    whole = torch.cat([near, last_row.expand(len(near), 1, 3)], 1)
    big = torch.cat([poses, last_row.expand(len(poses), 1, 3)], 1)
    return (big[:, None] @ whole[None])[:, :, :2].reshape(-1, 2, 3)
