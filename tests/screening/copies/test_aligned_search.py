"""A copy is found after the changes that scanners, augmentation and generators make."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from curation.alterations.copy_changes import change_copies
from screening.copies.aligned_search import AlignedSearch
from screening.copies.alignment import align, correlation, places, smooth
from screening.copies.thumbnails import DETAIL, SIDE, band, small, thumbnail_grids, thumbnails
from tests.screening.cohort import person

TRAIN = np.stack([person(number) for number in range(50)])
SEARCH = AlignedSearch(thumbnails(TRAIN), np.arange(50))
STRANGERS = SEARCH.nearest(thumbnails(np.stack([person(number) for number in range(500, 512)])))


CHANGES = {"shift": 0.08, "rotation": 10, "scaling": 0.1, "crop": 0.1, "flip": 1, "blur": 0.015} | {
    "intensity": 0.3,
    "noise": 0.03,
    "elastic": 0.01,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_copy_is_found_and_is_nearer_than_any_stranger_is(kind: str) -> None:
    result = SEARCH.nearest(thumbnails(change_copies(TRAIN[:6], kind, CHANGES[kind], seed=3)))
    assert result.smooth.positions[:, 0].tolist() == list(range(6))
    assert (result.smooth.distances[:, 0] < STRANGERS.smooth.distances[:, 0].min()).all()
    assert result.detailed.positions[:, 0].tolist() == list(range(6))
    assert (result.detailed.distances[:, 0] < STRANGERS.detailed.distances[:, 0].min()).all()


@pytest.mark.slow
def test_detail_tells_a_part_of_a_picture_from_others_and_the_rest_tells_a_blurred_one() -> None:
    by_detail = {"crop": [], "blur": []}
    for kind, severity in (("crop", 0.25), ("blur", 0.03)):
        result = SEARCH.nearest(thumbnails(change_copies(TRAIN[:12], kind, severity, seed=3)))
        ratios = result.distances[:, [0, 2]] / result.distances[:, [1, 3]]
        shown = result.most_distinctive.distances
        np.testing.assert_allclose(shown[:, 0] / shown[:, 1], ratios.min(axis=1))
        by_detail[kind] = (ratios[:, 1] < ratios[:, 0]).tolist()
    assert sum(by_detail["crop"]) >= 9
    assert sum(by_detail["blur"]) <= 3


def test_an_image_itself_is_at_no_distance_and_the_second_is_of_another_subject() -> None:
    search = AlignedSearch(thumbnails(TRAIN), np.arange(50) // 2)
    both = search.nearest(thumbnails(TRAIN[10:14]))
    for result in (both.smooth, both.detailed):
        np.testing.assert_allclose(result.distances[:, 0], 0, atol=1e-4)
        assert result.positions[:, 0].tolist() == [10, 11, 12, 13]
        assert not set(result.positions[:2, 1] // 2) & {5}
        assert (result.distances[:, 1] > 0.01).all()


def test_gain_and_offset_do_not_matter() -> None:
    matches = SEARCH.nearest(thumbnails(TRAIN[:4]) * 0.5 + 0.2)
    np.testing.assert_allclose(matches.distances[:, [0, 2]], 0, atol=1e-3)


def test_one_subject_alone_has_no_second_and_blank_pictures_are_like_nothing() -> None:
    alone = AlignedSearch(thumbnails(TRAIN[:3]), np.zeros(3, np.int64))
    assert np.isinf(alone.nearest(thumbnails(TRAIN[:1])).distances[0, [1, 3]]).all()
    blank = SEARCH.nearest(np.zeros((1, DETAIL * DETAIL), np.float32))
    assert (blank.distances[0, [0, 2]] > 0.5).all()
    assert SEARCH.nearest(np.zeros((0, DETAIL * DETAIL), np.float32)).distances.shape == (0, 4)


@settings(deadline=None, max_examples=20)
@given(across=st.floats(-0.1, 0.1), down=st.floats(-0.1, 0.1), enlarge=st.floats(0.93, 1.07))
def test_registration_finds_the_pose_that_was_given(across: float, down: float, enlarge: float) -> None:
    moving = band(small(thumbnail_grids(thumbnails(TRAIN[:1]))))
    pose = torch.tensor([[[enlarge, 0.0, across], [0.0, enlarge, down]]])
    grid = torch.nn.functional.affine_grid(pose, [1, 1, SIDE, SIDE], align_corners=False)
    fixed = torch.nn.functional.grid_sample(moving, grid, padding_mode="border", align_corners=False)
    result = align(moving, fixed, torch.eye(3)[None, :2], iterations=12)
    assert float(correlation(moving, fixed, result)) > 0.99


def test_a_subject_with_many_like_images_is_still_held_against_another() -> None:
    many = np.concatenate([np.repeat(TRAIN[:1], 40, axis=0), TRAIN[1:3]])
    search = AlignedSearch(thumbnails(many), np.array([0] * 40 + [1, 2]))
    result = search.nearest(thumbnails(change_copies(TRAIN[:1], "blur", 0.015, 0)))
    assert result.smooth.positions[0, 1] >= 40
    assert result.detailed.positions[0, 1] >= 40
    assert 0.01 < result.distances[0, 1] < 2


@given(side=st.integers(2, 48), sigma=st.floats(0.3, 9), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_smoothing_and_placing_are_those_of_the_libraries(side: int, sigma: float, seed: int) -> None:
    pictures_of = torch.randn(3, 2, side, side, generator=torch.Generator().manual_seed(seed))
    radius = int(3 * sigma + 0.5)
    expected = gaussian_filter(
        pictures_of.double().numpy(), (0, 0, sigma, sigma), mode="nearest", radius=(0, 0, radius, radius)
    )
    np.testing.assert_allclose(smooth(pictures_of, sigma).numpy(), expected, atol=1e-5)
    theta = torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(seed))
    grid = torch.nn.functional.affine_grid(theta, [3, 1, side, side], align_corners=False)
    torch.testing.assert_close(places(theta, side), grid, atol=1e-5, rtol=0)
