"""The spectrum of a wave, of noise and of nothing; what blur takes away."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from screening.set_measures.spectrum import radial_spectra, spectral_distance


def noise(seed: int, n: int = 30, size: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 1), np.uint8)


@pytest.mark.parametrize("cycles", [4, 11, 25])
@pytest.mark.parametrize("shape", [(64, 64), (64, 96)])
def test_a_ring_of_waves_peaks_at_its_own_frequency(cycles: int, shape: tuple[int, int]) -> None:
    spectrum = np.fft.fft2(np.random.default_rng(0).normal(size=shape))
    down, across = np.fft.fftfreq(shape[0], 1 / 64), np.fft.fftfreq(shape[1], 1 / 64)
    ring = np.abs(np.hypot(down[:, None], across[None, :]) - cycles) < 0.5
    wave = np.fft.ifft2(spectrum * ring).real
    picture = (127 + 30 * wave / wave.std()).astype(np.uint8)[None, :, :, None]
    assert radial_spectra(picture)[0].argmax() + 1 == cycles


def test_white_noise_is_flat_at_its_own_power() -> None:
    spectrum = radial_spectra(noise(0, 200)).mean(axis=0)
    # The log of an exponential variable lies 2.5 dB below the log of its mean; 1/12 is a uniform's variance.
    # Of the lowest ring the taken-off mean takes a part.
    assert spectrum[1:] == pytest.approx(10 * np.log10(1 / 12) - 2.507, abs=0.5)


def test_eight_and_sixteen_bits_of_one_picture_agree() -> None:
    eight = noise(1, 3)
    assert radial_spectra(eight.astype(np.uint16) * 257) == pytest.approx(radial_spectra(eight), abs=1e-6)


def test_blur_takes_the_high_end_away_and_the_distance_says_so() -> None:
    sharp, other = noise(2), noise(3)
    blurred = gaussian_filter(sharp.astype(float), (0, 1, 1, 0)).astype(np.uint8)
    spectra = [radial_spectra(picture) for picture in (sharp, other, blurred)]
    assert spectra[2][:, -1].mean() < spectra[0][:, -1].mean() - 10
    assert spectral_distance(spectra[0], spectra[2]) > 10 * spectral_distance(spectra[0], spectra[1])


def test_a_blank_picture_has_a_spectrum() -> None:
    assert np.isfinite(radial_spectra(np.zeros((1, 16, 16, 1), np.uint8))).all()
