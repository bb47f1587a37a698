"""The power spectrum and the histogram of images.

Traces of a generator show here and hardly to the eye: a grid from upsampling, a grain that no scanner has, levels that
the cohort does not use. Generators are known to miss the spectrum of real images (Durall et al. 2020).
"""

import numpy as np
from numpy.typing import NDArray

from curation.image_store import Pixels

RINGS = 20
LEVELS = 32
WIDTH = RINGS + LEVELS
FAINTEST = 1e-9  # of the power of all rings: below it a ring holds rounding errors


def appearance(pixels: Pixels) -> NDArray[np.float32]:
    """(N, 52): `spectra` and `levels` of images (N, H, W, C) side by side."""
    return np.concatenate([spectra(pixels), levels(pixels)], axis=1).astype(np.float32)


def split_appearance(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Spectra (N, 20) and levels (N, 32)."""
    return vectors[:, :RINGS], vectors[:, RINGS:]


def spectra(pixels: Pixels) -> NDArray[np.float64]:
    """(N, 20) log10 of the radially averaged power, as a share of all rings' together.

    Rings of equal width from 0 to the corner of the spectrum (0.71 cycles a pixel), where a grid of single pixels lies.
    The mean is taken off and the frame's edge faded out (Hann), so that borders make no scale of their own.
    """
    gray = _gray(pixels)
    height, width = gray.shape[1:]
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    faded = (gray - gray.mean(axis=(1, 2), keepdims=True)) * window
    power = np.square(np.abs(np.fft.fft2(faded))).reshape(len(gray), -1)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :]).ravel()
    ring = np.minimum((radius / np.sqrt(0.5) * RINGS).astype(int), RINGS - 1)
    counts = np.bincount(ring, minlength=RINGS)
    mean = np.stack([np.bincount(ring, image_power, minlength=RINGS) for image_power in power]) / np.maximum(counts, 1)
    share = mean / np.maximum(mean.sum(axis=1, keepdims=True), 1e-12)
    return np.log10(np.maximum(share, FAINTEST))


def levels(pixels: Pixels) -> NDArray[np.float64]:
    """(N, 32) quantiles of the grey levels on a scale where the type's maximum is 1.

    The mean difference of two such rows is the Wasserstein-1 distance of the two histograms.
    """
    flat = np.sort(_gray(pixels).reshape(len(pixels), -1), axis=1)
    places = ((np.arange(LEVELS) + 0.5) / LEVELS * flat.shape[1]).astype(int)
    return flat[:, places]


def _gray(pixels: Pixels) -> NDArray[np.float64]:
    return pixels.astype(np.float64).mean(axis=3) / np.iinfo(pixels.dtype).max
