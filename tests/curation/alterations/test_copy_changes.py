"""Copies change by their severity, the same for a seed, also at severities the design never saw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.alterations.copy_changes import COPY_CHANGES, TRIED, blur_like_autoencoder, change_copies
from tests.builders import oval
from tests.screening.cohort import person

IMAGES = np.stack([person(number) for number in range(3)])


@settings(deadline=None, max_examples=20)
@given(kind=st.sampled_from(sorted(COPY_CHANGES)), seed=st.integers(0, 100))
def test_a_copy_keeps_shape_and_depth_and_is_the_same_for_a_seed(kind: str, seed: int) -> None:
    severity = COPY_CHANGES[kind].severities[-1]
    once, again = (change_copies(IMAGES, kind, severity, seed) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert (once.shape, once.dtype) == (IMAGES.shape, IMAGES.dtype)
    assert (once != IMAGES).any()


def test_a_copy_does_not_depend_on_the_others_changed_with_it() -> None:
    np.testing.assert_array_equal(
        change_copies(IMAGES, "elastic", 0.02, 5)[:1], change_copies(IMAGES[:1], "elastic", 0.02, 5)
    )


def test_the_measured_severities_are_none_of_those_that_the_gate_was_designed_on() -> None:
    for kind, tried in TRIED.items():
        assert not set(tried) & set(COPY_CHANGES[kind].severities)
        assert len(COPY_CHANGES[kind].severities) == 3


def test_a_shift_moves_by_its_share_of_the_side_and_a_flip_mirrors() -> None:
    dot = np.zeros((1, 64, 64, 1), np.uint8)
    dot[0, 30:34, 30:34] = 200
    moved = change_copies(dot, "shift", 0.10, 1)[0, :, :, 0].astype(float)
    centre = (np.indices(moved.shape) * moved).sum(axis=(1, 2)) / moved.sum()
    assert np.hypot(*(centre - 31.5)) == pytest.approx(6.4, abs=0.2)
    np.testing.assert_array_equal(change_copies(IMAGES, "flip", 1, 0), IMAGES[:, :, ::-1])
    np.testing.assert_array_equal(change_copies(IMAGES, "flip", 0, 0), IMAGES[:, ::-1])


def test_sixteen_bit_and_colour_images_are_changed_too() -> None:
    deep = np.stack([oval(1, bits=16)])
    assert change_copies(deep, "noise", 0.04, 0).dtype == np.uint16
    assert change_copies(deep, "blur", 0.02, 0).max() > 255
    colour = np.repeat(IMAGES, 3, axis=3)
    assert change_copies(colour, "rotation", 8, 0).shape == colour.shape


def test_the_stand_in_takes_detail_away_and_keeps_brightness() -> None:
    smooth = blur_like_autoencoder(IMAGES)
    assert smooth.dtype == IMAGES.dtype
    assert abs(float(smooth.mean()) - float(IMAGES.mean())) < 1
    assert np.abs(np.diff(smooth.astype(int), axis=1)).mean() < np.abs(np.diff(IMAGES.astype(int), axis=1)).mean()
