"""The virtual cohort is a function of the number, with fixed splits and visible lesions."""

import os
import random
from collections import Counter
from functools import cache
from pathlib import Path

import nibabel
import nilearn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from curation.errors import BadInput
from curation.ingest.virtual_brains.render import (
    CLASSES,
    SHIPPED_RANGE,
    SPLIT_SHARES,
    VirtualSlice,
    check_ordinary,
    cohort_numbers,
    label_of,
    render,
    render_many,
    split_of,
)

SOAK = os.environ.get("ROUNDS_SOAK") == "1"
GOLDEN = Path(__file__).parent / "golden_virtual_brains.png"
GOLDEN_NUMBERS = (0, 1, 2, 3, 5, 14, 900_000, 900_002, 900_003, 900_004)

numbers = st.integers(min_value=0, max_value=2_000_000)


@cache
def slices() -> list[VirtualSlice]:
    return list(render_many(cohort_numbers(180 if SOAK else 60, first=10_000)))


def of_class(label: str) -> list[VirtualSlice]:
    return [s for s in slices() if s.label == label]


def brain_of(drawn: VirtualSlice) -> np.ndarray:
    return ndimage.binary_fill_holes(drawn.pixels > 25)


def tissue_level(drawn: VirtualSlice) -> float:
    return float(np.median(drawn.pixels[brain_of(drawn) & (drawn.mask == 0)]))


@pytest.mark.slow
@pytest.mark.soak
@given(numbers)
@settings(max_examples=20 if SOAK else 6, deadline=None)
def test_the_same_number_gives_the_same_subject(number: int) -> None:
    first, again = render(number), render(number)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert (first.subject, first.label, first.split) == (f"vb-{number:06d}", label_of(number), split_of(number))


@pytest.mark.slow
@pytest.mark.soak
def test_other_processes_and_another_order_give_the_same_pixels_in_the_order_asked() -> None:
    among = range(50 if SOAK else 30)
    shuffled = random.Random(3).sample(among, len(among) * 4 // 5)
    inline = {s.number: s for s in render_many(among)}
    drawn = list(render_many(iter(shuffled), workers=2))
    assert [s.number for s in drawn] == shuffled
    for s in drawn:
        np.testing.assert_array_equal(s.pixels, inline[s.number].pixels)
        np.testing.assert_array_equal(s.mask, inline[s.number].mask)


def test_a_stream_may_be_left_early() -> None:
    stream = render_many(iter(range(10**9)), workers=1)
    assert next(stream).number == 0


@given(numbers, st.sampled_from([32, 64, 96]))
@settings(max_examples=12, deadline=None)
def test_a_slice_has_the_promised_shape_at_any_size(number: int, size: int) -> None:
    drawn = render(number, size)
    assert drawn.pixels.shape == drawn.mask.shape == (size, size)
    assert drawn.pixels.dtype == drawn.mask.dtype == np.uint8
    assert drawn.spacing_mm * size == pytest.approx(216)


def test_pixels_are_the_ones_the_shipped_weights_were_fitted_on() -> None:
    """One gray level of room: machines differ in the last bit of a float, not in a picture."""
    strip = np.hstack([render(n).pixels for n in GOLDEN_NUMBERS])
    golden = np.asarray(Image.open(GOLDEN))
    assert np.abs(strip.astype(int) - golden.astype(int)).max() <= 1, (
        "these pixels are frozen: weights are shipped that were fitted to them. A better cohort is a new version of it"
    )


def test_splits_and_labels_have_their_shares_and_do_not_depend_on_each_other() -> None:
    count = 20_000
    pairs = Counter((split_of(n), label_of(n)) for n in cohort_numbers(count))
    for split, share in SPLIT_SHARES.items():
        for label in CLASSES:
            assert pairs[split, label] / count == pytest.approx(share / 3, abs=0.008)


@given(st.integers(min_value=SHIPPED_RANGE.start, max_value=SHIPPED_RANGE.stop - 1))
def test_shipped_numbers_are_training_subjects_and_refused_for_import(number: int) -> None:
    assert split_of(number) == "train"
    with pytest.raises(BadInput, match=r"expected .* got .* Ask for"):
        check_ordinary([0, number])


def test_ordinary_numbers_pass_and_negative_ones_do_not() -> None:
    check_ordinary(cohort_numbers(1000, first=899_000))
    check_ordinary([1_000_000])
    with pytest.raises(BadInput, match="got -1"):
        check_ordinary([-1])


@pytest.mark.slow
@pytest.mark.soak
def test_different_subjects_look_different() -> None:
    flat = np.stack([s.pixels.ravel() for s in slices()]).astype(np.float64)
    distance = np.abs(flat[:, None, ::7] - flat[None, :, ::7]).mean(axis=2)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > 3


@pytest.mark.slow
@pytest.mark.soak
def test_the_brain_stands_whole_on_black_with_a_margin() -> None:
    for s in slices():
        edge = np.concatenate([s.pixels[[0, -1]].ravel(), s.pixels[:, [0, -1]].ravel()])
        assert edge.max() == 0
        assert 0.2 < brain_of(s).mean() < 0.65
        assert ndimage.label(brain_of(s))[1] == 1


def brain_in_a_box(plane: np.ndarray) -> np.ndarray:
    """Crop to the brain and bring it to 64 x 48, so that pictures of different brains can be compared."""
    brain = plane[np.ix_(plane.max(axis=1) > 40, plane.max(axis=0) > 40)].astype(float)
    return ndimage.zoom(brain, (64 / brain.shape[0], 48 / brain.shape[1]), order=1)


@pytest.mark.slow
@pytest.mark.soak
def test_anterior_is_at_the_top() -> None:
    folder = Path(nilearn.__file__).parent / "datasets" / "data"
    image = nibabel.as_closest_canonical(nibabel.load(folder / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"))
    plane = np.asarray(image.dataobj[:, :, int(12 - image.affine[2, 3])])  # right- and anterior-positive, z = 12 mm
    template = brain_in_a_box(plane.T[::-1])
    mean = brain_in_a_box(np.mean([s.pixels for s in of_class("normal")], axis=0))
    upright, flipped = (np.corrcoef(m.ravel(), template.ravel())[0, 1] for m in (mean, mean[::-1]))
    assert upright > flipped + 0.05


@pytest.mark.slow
@pytest.mark.soak
def test_masks_are_empty_for_normal_and_lie_in_the_brain_for_lesions() -> None:
    for s in slices():
        inside = s.mask.astype(bool)
        assert set(np.unique(s.mask)) <= {0, 1}
        assert inside.any() == (s.label != "normal")
        assert (s.pixels[inside] > 0).all()  # the background is exactly 0


@pytest.mark.soak
@pytest.mark.slow
def test_a_ring_is_bright_around_dark_and_8_to_16_pixels_across() -> None:
    for s in of_class("ring_lesion"):
        lesion, tissue = s.mask.astype(bool), tissue_level(s)
        depth = ndimage.distance_transform_cdt(lesion, "chessboard")
        darkest = s.pixels[depth >= max(3, depth.max() - 1)].mean()
        brightest = np.sort(s.pixels[lesion])[-lesion.sum() // 5 :].mean()
        assert brightest > 1.3 * tissue
        assert darkest < 0.8 * tissue
        assert 7.5 < 2 * np.sqrt(lesion.sum() / np.pi) < 16.5


@pytest.mark.soak
@pytest.mark.slow
def test_an_old_infarct_is_dark_and_reaches_the_surface() -> None:
    for s in of_class("old_infarct"):
        lesion = s.mask.astype(bool)
        assert s.pixels[lesion].mean() < 0.7 * tissue_level(s)
        # Partial volume makes the outermost pixel of the brain half background: allow the one after it.
        assert (ndimage.binary_dilation(lesion, iterations=2) & (s.pixels == 0)).any()
