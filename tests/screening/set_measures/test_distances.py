"""Fréchet and kernel distance against reference implementations, and what they refuse."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from curation.errors import BadInput
from screening.set_measures.distances import frechet_distance, kernel_distance


def features(seed: int, n: int = 60, shift: float = 0.0, dimension: int = 6) -> np.ndarray:
    """Correlated features of float32, as a backbone gives them."""
    random = np.random.default_rng(seed)
    mix = np.random.default_rng(0).normal(size=(dimension, dimension))
    return (random.normal(size=(n, dimension)) @ mix + shift).astype(np.float32)


@pytest.mark.parametrize(("n", "dimension"), [(60, 6), (300, 48), (40, 39)])
def test_the_frechet_distance_equals_the_formula_with_a_matrix_square_root(n: int, dimension: int) -> None:
    a, b = (features(seed, n, 0.3 * seed, dimension).astype(np.float64) for seed in (1, 2))
    covariances = [np.cov(sample, rowvar=False) for sample in (a, b)]
    root = sqrtm(covariances[0] @ covariances[1])
    apart = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    expected = apart + np.trace(covariances[0] + covariances[1] - 2 * root.real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_the_frechet_distance_equals_the_reference_implementation() -> None:
    a, b = (torch.from_numpy(features(seed, 400, 0.2 * seed, 24)).double() for seed in (3, 4))
    expected = _compute_fid(a.mean(0), torch.cov(a.T), b.mean(0), torch.cov(b.T))
    assert frechet_distance(a.numpy(), b.numpy()) == pytest.approx(float(expected), abs=1e-6)


def test_the_frechet_distance_is_zero_of_a_set_to_itself_and_grows_with_a_shift() -> None:
    a = features(5, 100)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a, a + 2) == pytest.approx(4 * 6, rel=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (features(1, 6), features(2, 6), "more images than feature dimensions"),
        (features(1, 60), features(2, 61), "two sets of one size"),
        (features(1, 60), features(2, 60, dimension=5), "two sets of one size"),
    ],
)
def test_a_frechet_distance_that_would_say_nothing_is_refused(
    first: np.ndarray, second: np.ndarray, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        frechet_distance(first, second)


def test_the_kernel_distance_equals_the_reference_implementation() -> None:
    a, b = features(1), features(2, shift=0.5)
    expected = poly_mmd(torch.from_numpy(a).double(), torch.from_numpy(b).double(), degree=3, gamma=None, coef=1.0)
    assert kernel_distance(a, b) == pytest.approx(float(expected), abs=1e-6)


def test_the_kernel_distance_of_unequal_sets_is_its_sum_written_out() -> None:
    a, b = features(1, 7), features(2, 5, shift=0.5)

    def kernel(sample: np.ndarray, other: np.ndarray) -> float:
        return float((sample.astype(float) @ other.astype(float) / 6 + 1) ** 3)

    within_a = np.mean([kernel(a[i], a[j]) for i in range(7) for j in range(7) if i != j])
    within_b = np.mean([kernel(b[i], b[j]) for i in range(5) for j in range(5) if i != j])
    across = np.mean([kernel(sample, other) for sample in a for other in b])
    assert kernel_distance(a, b) == pytest.approx(within_a + within_b - 2 * across, abs=1e-6)


def test_the_kernel_distance_of_one_distribution_is_zero_on_average() -> None:
    distances = [kernel_distance(features(seed), features(seed + 1_000)) for seed in range(60)]
    assert abs(np.mean(distances)) < 3 * np.std(distances) / np.sqrt(60)
    assert kernel_distance(features(1), features(2, shift=4.0)) > max(distances)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (features(9, 1), "at least 2"),
        (features(9, dimension=5), "of one backbone"),
        (np.full((60, 6), np.nan), "finite"),
        (np.zeros(60), "at least 2"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(second: np.ndarray, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        kernel_distance(features(9), second)
