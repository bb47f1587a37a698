"""Affine registration of small images by Gauss-Newton on normalised correlation, many at once.

Lucas and Kanade 1981 with the brightness-invariant error of Evangelidis and Psarakis 2008 (ECC): both images have
zero mean and unit length over their overlap, so gain and offset do not matter. After it, each part may move a little
by itself: the local allowance for elastic change.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

DAMPING = 1e-3
LARGEST_STEP = 0.3  # of half the image, in one iteration
LEAST_OVERLAP = 0.5


@cache
def _coordinates(side: int) -> tuple[Tensor, Tensor]:
    """x and y of every cell, (side * side,), in the units of `affine_grid`: -1 to 1."""
    centres = (torch.arange(side) + 0.5) * 2 / side - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return x.reshape(-1), y.reshape(-1)


@cache
def _cells(side: int) -> Tensor:
    """(3, side * side): x, y and 1 of every cell."""
    x, y = _coordinates(side)
    return torch.stack([x, y, torch.ones(len(x))])


def places(theta: Tensor, side: int) -> Tensor:
    """(B, S, S, 2): where `theta` (B, 2, 3) takes the cells. `affine_grid` without corners, in half of its time."""
    return (theta.reshape(-1, 3) @ _cells(side)).reshape(-1, 2, side, side).permute(0, 2, 3, 1)


def resample(moving: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """`moving` (B, 1, S, S) where `theta` (B, 2, 3) takes the cells, and which cells (B, S * S) lie inside of it."""
    grid = places(theta, moving.shape[-1])
    taken = F.grid_sample(moving, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return taken, (grid.abs() <= 1).all(-1).flatten(1).float()


def _normalised(values: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """(B, P) with zero mean and unit length over `inside`, and the length it had."""
    count = inside.sum(-1, keepdim=True).clamp_min(1)
    centred = (values - (values * inside).sum(-1, keepdim=True) / count) * inside
    length = centred.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    return centred / length, length


def correlation(moving: Tensor, fixed: Tensor, theta: Tensor) -> Tensor:
    """Normalised correlation (B,) over the overlap; -1 where less than half of the image overlaps."""
    return agreement(*resample(moving, theta), fixed)


def agreement(taken: Tensor, inside: Tensor, fixed: Tensor) -> Tensor:
    """Normalised correlation (B,) of registered images over the cells `inside` (B, S * S)."""
    moved, _ = _normalised(taken.flatten(1), inside)
    target, _ = _normalised(fixed.flatten(1), inside)
    return torch.where(inside.mean(-1) >= LEAST_OVERLAP, (moved * target).sum(-1), -1.0)


def align(moving: Tensor, fixed: Tensor, theta: Tensor, iterations: int) -> Tensor:
    """Improve `theta` (B, 2, 3), which takes cells of `fixed` (B, 1, S, S) to places in `moving` (B, 1, S, S)."""
    side = moving.shape[-1]
    x, y = _coordinates(side)
    last_row = torch.tensor([0.0, 0.0, 1.0]).expand(len(theta), 1, 3)
    for _ in range(iterations):
        taken, inside = resample(moving, theta)
        down, across = torch.gradient(taken[:, 0], spacing=2 / side, dim=(1, 2))
        moved, length = _normalised(taken.flatten(1), inside)
        target, _ = _normalised(fixed.flatten(1), inside)
        across, down = across.flatten(1) * inside / length, down.flatten(1) * inside / length
        columns = torch.stack([across * x, across * y, across, down * x, down * y, down], 2)  # (B, P, 6)
        columns = columns - columns.mean(1, keepdim=True)
        normal = columns.transpose(1, 2) @ columns
        damping = DAMPING * normal.diagonal(dim1=1, dim2=2).mean(-1) + 1e-9
        normal = normal + damping[:, None, None] * torch.eye(6)
        step = torch.linalg.solve(normal, ((target - moved)[:, None] @ columns)[:, 0])
        step = step * (LARGEST_STEP / step.abs().amax(-1, keepdim=True).clamp_min(LARGEST_STEP))
        change = torch.cat([step.reshape(-1, 2, 3) + torch.eye(3)[:2], last_row], 1)
        theta = (torch.cat([theta, last_row], 1) @ change)[:, :2]
    return theta


@cache
def _smoother(side: int, sigma: float) -> Tensor:
    """(S, S) matrix that smooths a column of S cells, edges repeated. A product costs less than a convolution."""
    reach = int(3 * sigma + 0.5)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    taken = (torch.arange(side)[:, None] + torch.arange(-reach, reach + 1)).clamp(0, side - 1)
    return torch.zeros(side, side).scatter_add_(1, taken, (weights / weights.sum()).expand(side, -1))


def smooth(images: Tensor, sigma: float) -> Tensor:
    """Gaussian smoothing of (B, C, S, S), edges repeated, cut off at three standard deviations."""
    smoother = _smoother(images.shape[-1], sigma)
    return smoother @ images @ smoother.T


def local_flow(taken: Tensor, fixed: Tensor, inside: Tensor, window: float) -> Tensor:
    """One step of the smooth displacement (B, S, S, 2) that brings `taken` to `fixed`, in units of `affine_grid`.

    Lucas and Kanade 1981, per cell, over a Gaussian window of `window` cells.
    """
    side = taken.shape[-1]
    moved, length = _normalised(taken.flatten(1), inside)
    target, _ = _normalised(fixed.flatten(1), inside)
    down, across = torch.gradient(taken[:, 0], spacing=2 / side, dim=(1, 2))
    mask = inside.reshape(-1, side, side)
    across, down = across * mask / length[:, :, None], down * mask / length[:, :, None]
    error = (target - moved).reshape(-1, side, side)
    products = torch.stack([across * across, across * down, down * down, across * error, down * error], 1)
    xx, xy, yy, xe, ye = smooth(products, window).unbind(1)
    damping = 0.1 * (xx + yy).mean((1, 2), keepdim=True) + 1e-12
    xx, yy = xx + damping, yy + damping
    determinant = xx * yy - xy * xy
    return torch.stack([yy * xe - xy * ye, xx * ye - xy * xe], -1) / determinant[..., None]
