"""Pixel fingerprints, which a copy keeps when it is blurred, brightened, moved by a pixel or mirrored.

Features of a backbone see small shifts and mirror images as other images, and a copy that went through a lossy
autoencoder moves away from its source as far as another patient is. A small band-passed image does neither.
"""

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.nn.functional import interpolate

from curation.image_store import Pixels

SIDE = 32
WIDTH = SIDE * SIDE
HIGH_PASS_SIGMA = 2.0
SHIFTS = (-1, 0, 1)


def fingerprints(pixels: Pixels) -> NDArray[np.float32]:
    """(N, 1024) float32 of unit length and zero mean: images (N, H, W, C) at 32 x 32, without their slow changes.

    An image without any change has a fingerprint of zeros, at distance 1 of every other.
    """
    gray = torch.from_numpy(pixels.astype(np.float32).mean(axis=3) / np.iinfo(pixels.dtype).max)
    small = interpolate(gray[:, None], (SIDE, SIDE), mode="area")[:, 0].numpy()
    # `wrap` makes moving the fingerprint the same as moving the image.
    band = small - gaussian_filter(small, (0, HIGH_PASS_SIGMA, HIGH_PASS_SIGMA), mode="wrap")
    flat = band.reshape(len(band), WIDTH)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > 1e-4, flat / np.maximum(length, 1e-4), 0).astype(np.float32)


def placements(prints: NDArray[np.float32]) -> NDArray[np.float32]:
    """(18, N, 1024): fingerprints as they are and mirrored, each moved by up to one of 32 cells in each direction."""
    grids = prints.reshape(-1, SIDE, SIDE)
    moves = product((grids, grids[:, :, ::-1]), SHIFTS, SHIFTS)
    return np.stack([np.roll(turned, move, axis=(1, 2)).reshape(-1, WIDTH) for turned, *move in moves])
