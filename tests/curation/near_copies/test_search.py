"""The search finds the same picture under another subject, and no other picture."""

import numpy as np
import pytest

from curation.near_copies import search
from curation.near_copies.fingerprints import local_fingerprints, small_gray
from curation.near_copies.search import PrintedImages, most_alike
from tests.curation.near_copies.scans import changed, scan


def printed(pictures: list[np.ndarray], subjects: list[int]) -> PrintedImages:
    return PrintedImages(local_fingerprints(small_gray(np.stack(pictures))), np.array(subjects))


def test_a_changed_copy_under_another_subject_is_found_and_strangers_are_not() -> None:
    references = printed([scan(number) for number in range(40)], list(range(40)))
    queries = printed([changed(number) for number in (3, 17, 39)] + [scan(100), scan(101)], [50, 51, 52, 53, 54])
    found = most_alike(queries, references)
    assert found.are_near_copies.tolist() == [True, True, True, False, False]
    assert found.positions[:3].tolist() == [3, 17, 39]


def test_pictures_of_one_subject_are_never_compared() -> None:
    both = printed([scan(0), changed(0), scan(1)], [7, 7, 8])
    assert not most_alike(both, both).are_near_copies.any()


def test_two_pictures_with_the_same_black_bar_are_no_copies() -> None:
    """Crops at the edge of a photo: by a plain fingerprint these correlate at 0.99, for the bar outweighs all else."""
    pictures = [100 + scan(number) // 8 for number in range(30)]
    for picture in pictures:
        picture[40:] = 0
    barred = printed(pictures, list(range(30)))
    assert not most_alike(barred, barred).are_near_copies.any()


def test_the_size_of_the_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [scan(number) for number in range(25)] + [changed(number) for number in range(0, 25, 3)]
    images = printed(pictures, list(range(len(pictures))))
    whole = most_alike(images, images)
    for name, size in {"QUERIES_AT_ONCE": 7, "REFERENCES_AT_ONCE": 3, "PAIRS_AT_ONCE": 2}.items():
        monkeypatch.setattr(search, name, size)
    in_blocks = most_alike(images, images)
    near = whole.are_near_copies
    assert near.sum() == 18
    np.testing.assert_array_equal(in_blocks.are_near_copies, near)
    np.testing.assert_array_equal(in_blocks.positions[near], whole.positions[near])
    np.testing.assert_allclose(in_blocks.correlations[near], whole.correlations[near], atol=1e-5)


def test_flat_pictures_and_a_single_subject_have_no_near_copy() -> None:
    flat = printed([np.full((48, 48, 1), 90, np.uint8)] * 2, [0, 1])
    assert not most_alike(flat, flat).are_near_copies.any()
    one = printed([scan(0)], [0])
    assert most_alike(one, one).positions.tolist() == [-1]
