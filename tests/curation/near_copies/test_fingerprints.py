"""A fingerprint stays with a copy through what a generator or a scanner does to it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from curation.near_copies.fingerprints import fingerprints, placements
from tests.screening.cohort import person

SOURCE = np.stack([person(number) for number in range(12)])
STRANGERS = np.stack([person(number) for number in range(100, 160)])


def distances(copies: np.ndarray) -> np.ndarray:
    """Of each copy to its source, over every placement."""
    placed, sources = placements(fingerprints(copies)), fingerprints(SOURCE)
    return 1 - np.einsum("vnd,nd->vn", placed, sources).max(axis=0)


CHANGES = {
    "none": (SOURCE, 1e-5),
    "mirrored": (SOURCE[:, :, ::-1], 1e-5),
    "moved by one cell": (np.roll(SOURCE, (2, -2), axis=(1, 2)), 1e-5),
    "moved by half a cell": (np.roll(SOURCE, 1, axis=2), 0.2),
    "darker": ((0.8 * SOURCE).astype(np.uint8), 0.01),
    "blurred": (gaussian_filter(SOURCE.astype(float), (0, 1, 1, 0)).astype(np.uint8), 0.2),
    "noisy": (
        np.clip(SOURCE + np.random.default_rng(0).normal(0, 8, SOURCE.shape), 0, 255).astype(np.uint8),
        0.2,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_stays_closer_to_its_source_than_any_stranger(change: str) -> None:
    copies, at_most = CHANGES[change]
    placed = placements(fingerprints(copies))
    strangers = 1 - np.einsum("vnd,md->vnm", placed, fingerprints(STRANGERS)).max(axis=0)
    assert distances(copies).max() <= at_most
    assert (distances(copies) < strangers.min(axis=1)).all()


def test_a_picture_without_any_change_resembles_nothing() -> None:
    assert not fingerprints(np.full((2, 64, 64, 1), 90, np.uint8)).any()


@pytest.mark.parametrize("shape", [(20, 30), (32, 32), (65, 200)])
def test_any_shape_and_depth_gives_a_fingerprint_of_unit_length(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**16, (3, *shape, 1)).astype(np.uint16)
    np.testing.assert_allclose(np.linalg.norm(fingerprints(pixels), axis=1), 1, atol=1e-5)
