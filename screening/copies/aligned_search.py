"""Search the training images that an image may be a copy of: under many poses, then registered.

Three steps. The pose of the image (mirrored, turned, enlarged, moved) is found coarsely against every training image.
Around the likeliest poses every training image is compared again, finely. The best few are registered to it, and their
correlation is the result. Images are band-passed throughout, so that brightness, noise and smoothness matter little.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from curation.progress import OnProgress, silent
from screening.copies.alignment import LEAST_OVERLAP, align, correlation, places
from screening.copies.registration import register
from screening.copies.thumbnails import SIDE, band, small, thumbnail_grids
from screening.features.neighbours import Nearest

COARSE = 16
COMPONENTS = 64
POSES = 4
CANDIDATES = 96
FINALISTS = 12
OTHERS = 2  # of another subject than the best at least, since distinctiveness is measured against them
AT_ONCE = 4_096
REPORT_EVERY = 8  # images
KEPT_SCALES = 16_384  # references up to which 1,350 numbers each are kept rather than computed for every image
COARSE_ITERATIONS = 5

MIRRORS = ((1, 1), (-1, 1), (1, -1))
ANGLES = (-12.0, 0.0, 12.0)
SCALES = (0.8, 0.9, 1.0, 1.11, 1.23, 1.37)
SHIFTS = (-0.25, -0.125, 0.0, 0.125, 0.25)  # of half the image: a cell of 16 is 0.125
NEAR_SCALES = (0.96, 1.0, 1.04)
NEAR_SHIFTS = (-0.06, 0.0, 0.06)


def _unit(vectors: Tensor) -> Tensor:
    """Scale rows to zero mean and unit length; a row without any change stays zero."""
    centred = vectors - vectors.mean(-1, keepdim=True)
    length = centred.norm(dim=-1, keepdim=True)
    return torch.where(length > 1e-4, centred / length.clamp_min(1e-4), torch.zeros(()))


def _poses(
    mirrors: Sequence[tuple[int, int]], angles: Sequence[float], scales: Sequence[float], shifts: Sequence[float]
) -> Tensor:
    """(P, 2, 3) poses for `affine_grid`, every combination."""
    poses = []
    for mirror, angle, scale, down, across in product(mirrors, np.deg2rad(angles), scales, shifts, shifts):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
        poses.append(np.column_stack([turn * mirror, [across, down]]))
    return torch.tensor(np.array(poses), dtype=torch.float32)


class Thumbnails(Protocol):
    """(M, 2304) float32: an array, or rows of a file that are read when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Aligned:
    """The nearest training image and the nearest of another subject, compared without fine detail and with it."""

    smooth: Nearest
    detailed: Nearest

    @property
    def distances(self) -> NDArray[np.float32]:
        """(N, 4): both without fine detail, then both with it."""
        return np.concatenate([self.smooth.distances, self.detailed.distances], axis=1)

    @property
    def stands_out_in_detail(self) -> NDArray[np.bool_]:
        """(N,): whether the nearest stands out more from the next subject with fine detail than without it."""
        smooth, detailed = (
            nearest.distances[:, 0] / np.maximum(nearest.distances[:, 1], 1e-12)
            for nearest in (self.smooth, self.detailed)
        )
        return np.asarray(detailed < smooth)

    @property
    def most_distinctive(self) -> Nearest:
        """For each image the comparison in which the nearest stands out more from the next subject."""
        return self.compared(self.stands_out_in_detail)

    def compared(self, with_detail: NDArray[np.bool_]) -> Nearest:
        """For each image the comparison with fine detail, or the one without."""
        chosen = with_detail[:, None]
        return Nearest(
            np.where(chosen, self.detailed.distances, self.smooth.distances),
            np.where(chosen, self.detailed.positions, self.smooth.positions),
        )


class AlignedSearch:
    """Training thumbnails and their subjects (M,), ready to be searched. The thumbnails stay where they are."""

    def __init__(self, references: Thumbnails, subjects: NDArray[np.int64]) -> None:
        self.subjects = torch.from_numpy(subjects)
        self.references = references
        self.vectors = self._vectors()  # (M, 256)
        self.coarse = self.vectors.reshape(-1, 1, COARSE, COARSE)
        # How much of a reference's unit length lies where: only the part that a placed image covers is compared.
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

    def nearest(self, queries: NDArray[np.float32], report: OnProgress = silent) -> Aligned:
        """1 - correlation of thumbnails (N, 2304) with the images that agree best, and the best of another subject."""
        results = []
        for done, result in enumerate(self._each(queries)):
            if done % REPORT_EVERY == 0:
                report(done, len(queries), "registered to training images")
            results.append(result)
        distances = np.array([pair for pair, _ in results], np.float32).reshape(-1, 2, 2)
        positions = np.array([pair for _, pair in results], np.int64).reshape(-1, 2, 2)
        smooth, detailed = (Nearest(np.maximum(distances[:, way], 0), positions[:, way]) for way in (0, 1))
        return Aligned(smooth, detailed)

    @torch.inference_mode()
    def _each(self, queries: NDArray[np.float32]) -> Iterator[tuple[list[list[float]], list[list[int]]]]:
        for query in thumbnail_grids(queries):
            candidates, likeness = self._likeness(query)
            two = [self._two_subjects(candidates, way) for way in likeness.unbind(1)]
            yield [distances for distances, _ in two], [positions for _, positions in two]

    def _vectors(self) -> Tensor:
        rows = np.arange(len(self.references))
        parts = [
            _coarse(thumbnail_grids(self.references[part])) for part in np.array_split(rows, len(rows) // AT_ONCE + 1)
        ]
        return _unit(torch.cat(parts).flatten(1))

    def _likeness(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """The candidates (K,), and the correlation of the image (1, 48, 48) with each (K, 2)."""
        placed = _coarse(query[None])[0]
        coarse, poses = self._coarsely(placed, self.wide, short=True)
        likeness = correlation(self._many(placed, coarse), self.coarse[coarse], poses)
        best = torch.cat([poses[likeness.argsort(descending=True)[:POSES]], self.upright])
        others, near = self._coarsely(placed, _around(best, self.near), short=False)
        candidates, poses = torch.cat([coarse, others]), torch.cat([poses, near])
        likeness = correlation(self._many(placed, candidates), self.coarse[candidates], poses)
        kept = self._finalists(candidates, likeness)
        candidates = candidates[kept]
        finalists = thumbnail_grids(self.references[candidates.numpy()])
        return candidates, register(query, finalists, poses[kept])

    @staticmethod
    def _many(image: Tensor, others: Tensor) -> Tensor:
        return image[None].expand(len(others), -1, -1, -1)

    def _scales(self, poses: Tensor) -> Iterable[Tensor]:
        """(P, at most 4,096) for each part: 1 / the length of a reference where an image so placed covers it.

        0 where less than half of it is covered.
        """
        grid = places(poses, COARSE)
        inside = (grid.abs() <= 1).all(-1, keepdim=True).float().permute(0, 3, 1, 2)
        covered = F.avg_pool2d(inside, 2).flatten(1)  # (P, 64)
        covered = torch.where(covered.mean(1, keepdim=True) >= LEAST_OVERLAP, covered, torch.inf)
        return ((covered @ energy.T).rsqrt_() for energy in self.energy.split(AT_ONCE))

    def _coarsely(self, image: Tensor, poses: Tensor, short: bool) -> tuple[Tensor, Tensor]:
        """The references most like the image in any of `poses`, and its pose on each, improved.

        `short` compares the 64 strongest components of 256.
        """
        grid = places(poses, COARSE)
        placed = _unit(F.grid_sample(self._many(image, poses), grid, align_corners=False).flatten(1))
        placed, references = (placed @ self.axes, self.short) if short else (placed, self.vectors)
        scales = self.wide_scales if short and self.wide_scales else self._scales(poses)
        parts = [
            (placed @ part.T).mul_(scale).max(0) for part, scale in zip(references.split(AT_ONCE), scales, strict=True)
        ]
        likeness = torch.cat([part.values for part in parts])
        chosen = self._likeliest(likeness)
        start = poses[torch.cat([part.indices for part in parts])[chosen]]
        return chosen, align(self._many(image, chosen), self.coarse[chosen], start, COARSE_ITERATIONS)

    def _likeliest(self, likeness: Tensor) -> Tensor:
        """Positions of the 96 likeliest references, with some of another subject where one subject has them all."""
        chosen = likeness.topk(min(CANDIDATES, len(likeness))).indices
        same = self.subjects == self.subjects[chosen[0]]
        if int((~same[chosen]).sum()) >= OTHERS or bool(same.all()):
            return chosen
        rest = likeness.masked_fill(same, -torch.inf).topk(min(OTHERS, int((~same).sum()))).indices
        return torch.unique(torch.cat([chosen, rest]))

    def _finalists(self, candidates: Tensor, likeness: Tensor) -> Tensor:
        """Positions of the best twelve, each reference once, and of the best two of another subject than the first."""
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

    def _two_subjects(self, candidates: Tensor, likeness: Tensor) -> tuple[list[float], list[int]]:
        """Distances and positions of the best candidate and of the best one of another subject."""
        first = int(likeness.argmax())
        subjects = self.subjects[candidates]
        others = torch.where(subjects == subjects[first], -torch.inf, likeness)
        second = int(others.argmax())
        return [float(1 - likeness[first]), float(1 - others[second])], candidates[[first, second]].tolist()


def _coarse(detailed: Tensor) -> Tensor:
    """(N, 1, 16, 16), band-passed, of thumbnails (N, 1, 48, 48)."""
    return F.avg_pool2d(band(small(detailed)), SIDE // COARSE)


def _around(poses: Tensor, near: Tensor) -> Tensor:
    """Each of `poses` with each small change of `near` before it: (P * Q, 2, 3)."""
    last_row = torch.tensor([0.0, 0.0, 1.0])
    whole = torch.cat([near, last_row.expand(len(near), 1, 3)], 1)
    big = torch.cat([poses, last_row.expand(len(poses), 1, 3)], 1)
    return (big[:, None] @ whole[None])[:, :, :2].reshape(-1, 2, 3)
