"""Gross faults are functions of image, strength and seed, and grow with their strength."""

import itertools

import numpy as np
import pytest

from curation.alterations.faults import ALL_FAULTS, Fault
from tests.builders import oval

GROWING = ("noise", "blur", "pixel_grid", "ghosting", "local_noise")


@pytest.mark.parametrize("fault", ALL_FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("bits", [8, 16])
def test_a_fault_keeps_shape_and_depth_and_is_the_same_again(fault: Fault, bits: int) -> None:
    pixels = oval(3, bits=bits)
    broken = fault.apply(pixels, 7)
    assert (broken.shape, broken.dtype) == (pixels.shape, pixels.dtype)
    np.testing.assert_array_equal(broken, fault.apply(pixels, 7))
    assert (broken != pixels).any()


def test_colour_and_oblong_images_are_broken_as_well() -> None:
    colour = np.repeat(oval(3), 3, axis=2)[:50]
    for fault in ALL_FAULTS:
        assert fault.apply(colour, 1).shape == colour.shape, fault.name


@pytest.mark.parametrize("seed", range(40))
def test_no_piece_of_a_shuffled_image_stays_where_it_was(seed: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 1), dtype=np.uint8)
    shuffled = Fault("shuffled", 2, "").apply(pixels, seed)
    for row, column in itertools.product((0, 32), repeat=2):
        here = np.s_[row : row + 32, column : column + 32]
        assert (shuffled[here] != pixels[here]).any()
    assert sorted(shuffled.ravel()) == sorted(pixels.ravel())


@pytest.mark.parametrize("kind", GROWING)
def test_a_stronger_fault_changes_more(kind: str) -> None:
    pixels = oval(3)
    changes = [
        float(np.square(fault.apply(pixels, 1).astype(float) - pixels).sum())
        for fault in ALL_FAULTS
        if fault.kind == kind
    ]
    assert len(changes) >= 2
    assert all(less < more for less, more in itertools.pairwise(changes))
