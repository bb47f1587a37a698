"""A planted defect is drawn once and replayed with equal pixels, where it is seen."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.alterations.replay import PIXEL_DEFECTS, draw_defect, replay
from curation.alterations.tissue import map_tissue, otsu
from curation.errors import BadInput
from curation.image_store import Pixels
from curation.ingest.virtual_brains.render import render
from tests.builders import oval

EDGES = st.integers(12, 40)


@st.composite
def any_pixels(draw: st.DrawFn) -> Pixels:
    """Noise, flat images and everything between, of any shape and depth that the store keeps."""
    channels, dtype = draw(st.sampled_from([(1, np.uint8), (1, np.uint16), (3, np.uint8)]))
    shape = (draw(EDGES), draw(EDGES), channels)
    pixels: Pixels = draw(arrays(dtype, shape))
    return pixels


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(any_pixels(), st.sampled_from(PIXEL_DEFECTS), st.integers(0, 2**31))
def test_replaying_what_was_kept_as_json_gives_equal_pixels(pixels: Pixels, name: str, seed: int) -> None:
    before = pixels.copy()
    alteration = draw_defect(pixels, name, seed)
    kept = json.loads(json.dumps(alteration))
    damaged = replay(pixels, kept)
    assert (kept["name"], kept["seed"]) == (name, seed)
    assert kept == json.loads(json.dumps(draw_defect(pixels, name, seed)))
    assert (damaged.shape, damaged.dtype) == (pixels.shape, pixels.dtype)
    np.testing.assert_array_equal(damaged, replay(pixels, alteration))
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.slow
@pytest.mark.parametrize("name", PIXEL_DEFECTS)
@pytest.mark.parametrize(("size", "bits", "channels"), [(64, 8, 1), (28, 8, 1), (64, 16, 1), (48, 8, 3)])
def test_every_defect_is_strong_enough_to_be_seen(name: str, size: int, bits: int, channels: int) -> None:
    for seed in range(8):
        pixels = oval(seed, size, bits, channels)
        change = replay(pixels, draw_defect(pixels, name, seed)) / (2**bits - 1) - pixels / (2**bits - 1)
        changed = np.abs(change).max(axis=2) > 0.04
        assert changed.mean() > 0.005, (name, seed)


@pytest.mark.parametrize("name", ["duplicated_structure", "lesion_outside", "local_blur", "local_noise"])
def test_a_local_defect_leaves_most_of_the_image_as_it_was(name: str) -> None:
    for number in range(4):
        pixels = render(number).pixels[:, :, None]
        damaged = replay(pixels, draw_defect(pixels, name, number))
        assert (damaged == pixels).mean() > 0.7


@pytest.mark.slow
def test_a_lesion_outside_lies_in_the_frame_and_beside_the_tissue() -> None:
    for number in range(12):
        pixels = render(number).pixels[:, :, None]
        damaged = replay(pixels, draw_defect(pixels, "lesion_outside", number))
        changed = (damaged != pixels)[:, :, 0]
        tissue = map_tissue(pixels / 255.0).tissue
        assert changed.any()
        assert (changed & tissue).sum() <= 0.1 * changed.sum()
        # Whole within the frame: its bright part touches no edge.
        bright = damaged[:, :, 0].astype(int) - pixels[:, :, 0] > 100
        assert not np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]]).any()


def test_two_images_under_one_seed_are_damaged_in_different_places() -> None:
    first, second = (draw_defect(oval(number), "local_noise", 7)["parameters"] for number in (1, 2))
    assert first["centre"] != second["centre"]
    assert first["noise_seed"] != second["noise_seed"]


def test_tissue_is_found_on_dark_and_on_bright_grounds_and_is_everything_when_nothing_stands_out() -> None:
    image = oval(3) / 255.0
    row, column = np.mgrid[0:64, 0:64] / 64 - 0.5
    truth = (row / 0.42) ** 2 + (column / 0.34) ** 2 < 1
    for gray in (image, 1 - image):
        assert (map_tissue(gray).tissue == truth).mean() > 0.97
    assert map_tissue(np.full((16, 16, 1), 0.5)).tissue.all()


def test_otsu_parts_two_levels_between_them() -> None:
    assert 0.2 < otsu(np.array([[0.2, 0.2, 0.2], [0.8, 0.8, 0.2]])) < 0.8


def test_an_unknown_defect_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="ghosting"):
        draw_defect(oval(1), "wrong_label", 0)
