"""Register an image to others, first as a whole and then locally, and correlate them.

Twice: without fine detail, which blur removes, and with it, which tells apart images that share only a part.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from screening.copies.alignment import agreement, align, local_flow, places
from screening.copies.thumbnails import SIDE, band, small

ITERATIONS, DETAIL_ITERATIONS = 8, 4
FLOW_STEPS, DETAIL_FLOW_STEPS = 3, 3
FLOW_WINDOW = 4.0  # cells of 32


def register(image: Tensor, others: Tensor, poses: Tensor) -> Tensor:
    """Correlations (B, 2) of an image (1, 48, 48) with others (B, 1, 48, 48), from nearly right poses (B, 2, 3).

    First without fine detail, then with it. The image is moved and then band-passed: the band of an enlarged image is
    not the enlarged band.
    """
    many = image[None].expand(len(others), -1, -1, -1)
    without, fixed = small(many), band(small(others))
    poses = align(band(without), fixed, poses, ITERATIONS)
    smooth = _agreement(without, fixed, poses, FLOW_STEPS)
    fixed = band(others)
    poses = align(band(many), fixed, poses, DETAIL_ITERATIONS)
    return torch.stack([smooth, _agreement(many, fixed, poses, DETAIL_FLOW_STEPS)], 1)


def _agreement(many: Tensor, fixed: Tensor, poses: Tensor, steps: int) -> Tensor:
    """(B,) correlations after every part has moved a little by itself."""
    grid = places(poses, fixed.shape[-1])
    taken, inside = _moved(many, grid)
    for _ in range(steps):
        flow = local_flow(taken, fixed, inside, FLOW_WINDOW * fixed.shape[-1] / SIDE)
        grid = grid + torch.einsum("bij,byxj->byxi", poses[:, :, :2], flow)
        taken, inside = _moved(many, grid)
    return agreement(taken, inside, fixed)


def _moved(many: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """The image moved and then band-passed, and which cells lie inside of it."""
    taken = band(F.grid_sample(many, grid, padding_mode="border", align_corners=False))
    return taken, (grid.abs() <= 1).all(-1).flatten(1).float()
