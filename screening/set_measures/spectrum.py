"""Radially averaged log power spectra: how much detail of each size an image holds.

Generators are known to miss the high end (Durall et al. 2020) and to leave peaks that their upsampling makes.
"""

import numpy as np
from numpy.typing import NDArray

from curation.image_store import Pixels

Spectra = NDArray[np.float64]

FLOOR = 1e-10  # power of nothing: far below that of rounding to 8 bit, about 1e-6


def radial_spectra(pixels: Pixels) -> Spectra:
    """(N, H, W, C) to (N, R): mean log power in dB at 1, 2, ... R cycles per image, R up to half the shorter side.

    Values are scaled to 0 to 1 and channels averaged; a Hann window keeps the image's edges out of it.
    """
    values = pixels.astype(np.float64).mean(axis=-1) / np.iinfo(pixels.dtype).max  # (N, H, W)
    _, height, width = values.shape
    window = np.hanning(height)[:, None] * np.hanning(width)[None, :]
    centred = values - (values * window).sum(axis=(1, 2), keepdims=True) / window.sum()
    power = np.abs(np.fft.fft2(centred * window)) ** 2 / (window**2).sum()
    log_power = 10 * np.log10(power + FLOOR)
    down, across = np.fft.fftfreq(height, 1 / height), np.fft.fftfreq(width, 1 / width)
    shorter = min(height, width)
    # Cycles over the shorter side, so that a pixel means the same in both directions.
    radius = np.rint(np.hypot(down[:, None] * shorter / height, across[None, :] * shorter / width)).astype(np.int64)
    rings = [radius == ring for ring in range(1, shorter // 2 + 1)]
    return np.stack([log_power[:, ring].mean(axis=1) for ring in rings], axis=1)


def spectral_distance(first: Spectra, second: Spectra) -> float:
    """Root mean square over the frequencies of the difference of two sets' mean spectra (N, R) and (M, R), in dB."""
    return float(np.sqrt(((first.mean(axis=0) - second.mean(axis=0)) ** 2).mean()))
