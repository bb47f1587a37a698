"""Pixel fingerprints, which a copy keeps when it is blurred, brightened, moved by a pixel or mirrored.

Features of a backbone see small shifts and mirror images as other images, and a copy that went through a lossy
autoencoder moves away from its source as far as another patient is. A small band-passed image does neither.
"""

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from curation.image_store import Pixels

SIDE = 32
WIDTH = SIDE * SIDE
HIGH_PASS_SIGMA = 2.0
FLAT = 1e-4  # the length of a flat image
LOCAL_SIGMA, LEAST_CONTRAST = 2.0, 0.1  # in cells; as a share of the contrast of the whole image
SHIFTS = (-1, 0, 1)

Floats = NDArray[np.float32]


def fingerprints(pixels: Pixels) -> Floats:
    """(N, 1024) float32 of unit length and zero mean: images (N, H, W, C) at 32 x 32, without their slow changes.

    An image without any change has a fingerprint of zeros, at distance 1 of every other.
    """
    return fingerprints_of_thumbnails(small_gray(pixels))


def small_gray(pixels: Pixels) -> Floats:
    """(N, 32, 32): images (N, H, W, C) in gray, 0 to 1; each cell is the mean of the pixels that it touches."""
    values = pixels.astype(np.float32)
    gray = values[..., 0] if pixels.shape[3] == 1 else values.mean(axis=3)
    small = _cells(gray.shape[1]) @ gray @ _cells(gray.shape[2]).T
    return np.asarray(small / np.iinfo(pixels.dtype).max, np.float32)


def fingerprints_of_thumbnails(small: Floats) -> Floats:
    """The fingerprints (N, 1024) of what `small_gray` gives."""
    flat = _band(small).reshape(len(small), WIDTH)
    return _of_unit_length(flat - flat.mean(axis=1, keepdims=True), FLAT)


def local_fingerprints(small: Floats) -> Floats:
    """(N, 1024) of unit length: what `small_gray` gives, each part in units of its own contrast.

    In a plain fingerprint one strong edge outweighs all else: two cells with the same black bar beside them correlate
    at 0.99. Here a bar counts as much as the structure elsewhere.
    """
    band = _band(small)
    whole = np.sqrt(np.einsum("nyx,nyx->n", band, band)[:, None, None] / WIDTH)
    contrast = np.sqrt(np.maximum(_smoothed(band * band, LOCAL_SIGMA), 0))
    band *= whole > FLAT / SIDE
    band /= contrast + np.maximum(LEAST_CONTRAST * whole, 1e-12)
    flat = band.reshape(len(band), WIDTH)
    flat -= flat.mean(axis=1, keepdims=True)
    return _of_unit_length(flat, FLAT)


def _band(small: Floats) -> Floats:
    """Without slow changes."""
    # It wraps, so moving the fingerprint is the same as moving the image.
    return np.asarray(small - _smoothed(small, HIGH_PASS_SIGMA), np.float32)


def _smoothed(grids: Floats, sigma: float) -> Floats:
    """Gaussian smoothing of (N, 32, 32) that wraps."""
    return np.asarray(_gaussian(sigma) @ grids @ _gaussian(sigma).T, np.float32)


def _of_unit_length(flat: Floats, least: float) -> Floats:
    """(N, 1024) of unit length; zeros where an image is flat."""
    length = np.sqrt(np.einsum("nd,nd->n", flat, flat)[:, None])
    return np.asarray(flat * np.where(length > least, 1 / np.maximum(length, least), 0), np.float32)


@cache
def _gaussian(sigma: float) -> Floats:
    """(32, 32): smoothing along one axis, as a matrix."""
    return np.asarray(gaussian_filter1d(np.eye(SIDE), sigma, axis=0, mode="wrap"), np.float32)


@cache
def _cells(size: int) -> Floats:
    """(32, size): which share each pixel of a row has in each of 32 cells; cells of few pixels overlap."""
    shares = np.zeros((SIDE, size), np.float32)
    for cell in range(SIDE):
        first, end = cell * size // SIDE, -(-(cell + 1) * size // SIDE)
        shares[cell, first:end] = 1 / (end - first)
    return shares


def placements(prints: Floats) -> Floats:
    """(18, N, 1024): fingerprints as they are and mirrored, each moved by up to one of 32 cells in each direction."""
    grids = prints.reshape(-1, SIDE, SIDE)
    moves = product((grids, grids[:, :, ::-1]), SHIFTS, SHIFTS)
    return np.stack([np.roll(turned, move, axis=(1, 2)).reshape(-1, WIDTH) for turned, *move in moves])
