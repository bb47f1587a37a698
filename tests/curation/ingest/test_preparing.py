"""Pictures are resized or brought to 8 bit together with their geometry and their masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import BadInput
from curation.ingest.incoming import Geometry, IncomingImage
from curation.ingest.preparing import NOT_WINDOWED, prepare, prepared_shape
from curation.ingest.request import ImportRequest

AFFINE = ((0.0, -2.0, 0.0, 10.0), (-3.0, 0.0, 0.0, 20.0), (0.0, 0.0, 4.0, 30.0), (0.0, 0.0, 0.0, 1.0))


def _image(height: int, width: int, channels: int = 1, dtype: type = np.uint8) -> IncomingImage:
    rows, columns = np.mgrid[:height, :width]
    disc = ((rows - height / 2) / height) ** 2 + ((columns - width / 2) / width) ** 2 < 0.09
    pixels = np.repeat((40 + 100 * disc)[:, :, None], channels, axis=2).astype(dtype)
    geometry = Geometry(spacing_mm=(3.0, 2.0), affine=AFFINE)
    return IncomingImage("a", pixels, "x", geometry=geometry, masks={"disc": disc.astype(np.uint8)})


@given(st.integers(8, 90), st.integers(8, 90), st.integers(8, 90), st.integers(8, 90), st.sampled_from([1, 3]))
def test_any_size_to_any_size_keeps_the_place_of_things(
    height: int, width: int, new_height: int, new_width: int, channels: int
) -> None:
    before = _image(height, width, channels)
    request = ImportRequest(size=(new_height, new_width))
    after = prepare(before, request)
    assert after.pixels.shape == (new_height, new_width, channels)
    assert prepared_shape((height, width, channels, 8), request) == (*after.pixels.shape, 8)
    assert after.masks["disc"].shape == (new_height, new_width)
    assert set(np.unique(after.masks["disc"])) <= {0, 1}
    assert after.pixels.min() >= before.pixels.min()
    assert after.pixels.max() <= before.pixels.max()
    assert after.geometry.spacing_mm is not None
    place = np.array(after.geometry.affine) @ [(new_height - 1) / 2, (new_width - 1) / 2, 0, 1]
    middle = np.array(AFFINE) @ [(height - 1) / 2, (width - 1) / 2, 0, 1]
    assert np.abs(place - middle)[:2].max() <= 0.5 * max(after.geometry.spacing_mm) + 1e-9  # half a pixel of padding


def test_the_mean_is_kept_where_pixels_are_averaged() -> None:
    values = np.random.default_rng(0).integers(0, 65_536, (64, 64, 1), dtype=np.uint16)
    after = prepare(IncomingImage("a", values, "x"), ImportRequest(size=(16, 16)))
    assert after.pixels.dtype == np.uint16
    expected = values[:, :, 0].reshape(16, 4, 16, 4).mean(axis=(1, 3))
    assert np.abs(after.pixels[:, :, 0] - expected).max() <= 1


def test_a_window_makes_eight_bits_that_still_say_what_they_stand_for() -> None:
    stored = np.linspace(0, 65_535, 64, dtype=np.uint16).reshape(8, 8, 1)
    geometry = Geometry(rescale_slope=0.5, rescale_intercept=-100, signed_offset=32_768)
    after = prepare(IncomingImage("a", stored, "x", geometry=geometry), ImportRequest(window=(40, 400)))
    meant = (stored.astype(float) - 32_768) * 0.5 - 100
    assert after.pixels.dtype == np.uint8
    back = after.pixels * after.geometry.rescale_slope + after.geometry.rescale_intercept
    assert np.abs(back - meant.clip(-160, 240)).max() <= 400 / 255 / 2 + 1e-9
    assert (after.geometry.window, after.geometry.signed_offset) == ((40, 400), 0)


def test_the_files_own_window_is_used_when_there_is_one_and_eight_bits_stay_as_they_are() -> None:
    values = np.arange(64, dtype=np.uint16).reshape(8, 8, 1)
    request = ImportRequest(window="file")
    after = prepare(IncomingImage("a", values, "x", geometry=Geometry(window=(32, 16))), request)
    assert (after.pixels.min(), after.pixels.max(), after.pixels[4, 0, 0]) == (0, 255, 128)
    with pytest.raises(BadInput, match="no window of its own"):
        prepare(IncomingImage("a", values, "x"), request)
    eight = _image(8, 8)
    left = prepare(eight, request)
    assert (left.pixels is eight.pixels, left.geometry, left.notes) == (True, eight.geometry, (NOT_WINDOWED,))
