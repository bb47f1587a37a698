"""Small gray thumbnails in which copies are searched, compared without noise and shading.

A copy is searched at 32 x 32 and compared with its source at 48 x 48: only detail tells a cropped copy from others.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from curation.image_store import Pixels
from screening.copies.alignment import smooth
from screening.features.feature_file import FeatureFile

DETAIL = 48
SIDE = 32
BAND = (1.0, 4.0)  # standard deviations in cells of 32
DETAIL_BAND = (0.67, 4.0)  # the same unit


def thumbnails(pixels: Pixels) -> NDArray[np.float32]:
    """(N, 2304): images (N, H, W, C) in gray at 48 x 48, 0 to 1."""
    gray = torch.from_numpy(pixels.astype(np.float32).mean(axis=3) / np.iinfo(pixels.dtype).max)
    return np.asarray(_scaled(gray[:, None], DETAIL).flatten(1).numpy(), np.float32)


def thumbnail_file(directory: Path) -> FeatureFile:
    """The file that keeps the thumbnails of stored images."""
    return FeatureFile(directory, "thumbnails-2", DETAIL * DETAIL, thumbnails)


def thumbnail_grids(thumbs: NDArray[np.float32]) -> Tensor:
    """(N, 1, 48, 48) of thumbnails (N, 2304)."""
    return torch.from_numpy(np.ascontiguousarray(thumbs, np.float32)).reshape(-1, 1, DETAIL, DETAIL)


def small(detailed: Tensor) -> Tensor:
    """Thumbnails (N, 1, 48, 48) at (N, 1, 32, 32)."""
    return _scaled(detailed, SIDE)


def band(thumbs: Tensor) -> Tensor:
    """Band-pass thumbnails (N, 1, 32, 32) or (N, 1, 48, 48): without their noise and their slow changes."""
    side = thumbs.shape[-1]
    fine, wide = (smooth(thumbs, sigma * side / SIDE) for sigma in (BAND if side == SIDE else DETAIL_BAND))
    return fine - wide


def _scaled(images: Tensor, side: int) -> Tensor:
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True)
