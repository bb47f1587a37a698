"""Spectra and grey levels: what a picture's fine grain and its range of levels look like as numbers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from screening.features.appearance import LEVELS, RINGS, levels, spectra
from tests.builders import oval
from tests.screening.cohort import person

PEOPLE = np.stack([person(number) for number in range(6)])


def test_a_grid_of_single_pixels_lies_in_the_outermost_ring_and_a_blur_empties_it() -> None:
    row, column = np.indices((64, 64))
    grid = np.where((row + column) % 2, 8, 0)[None, :, :, None]
    with_grid = np.clip(PEOPLE + grid, 0, 255).astype(np.uint8)
    apart = spectra(with_grid) - spectra(PEOPLE)
    assert (apart.argmax(axis=1) == RINGS - 1).all()
    assert (apart[:, -1] > 1).all()


def test_how_bright_a_picture_is_does_not_change_its_spectrum() -> None:
    np.testing.assert_allclose(spectra(PEOPLE), spectra(PEOPLE // 2), atol=0.1)
    assert np.isfinite(spectra(np.zeros((1, 64, 64, 1), np.uint8))).all()


@settings(max_examples=20, deadline=None)
@given(one=st.integers(0, 50), other=st.integers(51, 100))
def test_the_mean_difference_of_levels_is_scipys_wasserstein_distance(one: int, other: int) -> None:
    pictures = np.stack([person(one), person(other)])
    of_levels = np.abs(np.diff(levels(pictures), axis=0)).mean()
    scaled = pictures.reshape(2, -1) / 255
    assert abs(of_levels - wasserstein_distance(*scaled)) < 1.5 / LEVELS * np.ptp(scaled)


def test_sixteen_bit_and_colour_pictures_have_the_same_levels_and_spectra() -> None:
    deep = np.stack([oval(number, bits=16) for number in range(4)])
    shallow = np.stack([oval(number) for number in range(4)])
    np.testing.assert_allclose(levels(deep), levels(shallow), atol=0.01)
    np.testing.assert_allclose(spectra(np.repeat(shallow, 3, axis=3)), spectra(shallow))
