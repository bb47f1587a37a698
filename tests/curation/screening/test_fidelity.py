"""Set-level measures against what their definitions give on small sets."""

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from curation.errors import BadInput
from curation.screening.fidelity import coverage, kernel_distance, measure


def features(seed: int, n: int = 40, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, 6)) + shift).astype(np.float32)


def test_the_kernel_distance_equals_the_reference_implementation() -> None:
    a, b = features(1), features(2, shift=0.5)
    expected = poly_mmd(torch.from_numpy(a).double(), torch.from_numpy(b).double(), degree=3, gamma=None, coef=1.0)
    assert kernel_distance(a, b) == pytest.approx(float(expected), abs=1e-9)


def test_the_kernel_distance_of_one_distribution_is_zero_on_average() -> None:
    distances = [kernel_distance(features(seed), features(seed + 1_000)) for seed in range(60)]
    assert abs(np.mean(distances)) < 3 * np.std(distances) / np.sqrt(60)
    assert kernel_distance(features(1), features(2, shift=1.0)) > max(distances)


def test_coverage_equals_its_definition_counted_by_hand() -> None:
    real, drawn = features(3, n=12), features(4, n=9, shift=0.3)
    covered = 0
    for one in real:
        to_real = sorted(np.linalg.norm(real - one, axis=1))
        covered += min(np.linalg.norm(drawn - one, axis=1)) <= to_real[5]
    assert coverage(real, drawn) == covered / 12


def test_coverage_is_one_for_copies_and_low_for_a_collapsed_set() -> None:
    real = features(5, n=60)
    assert coverage(real, real) == 1.0
    assert coverage(real, np.repeat(real[:1], 60, axis=0)) < 0.5


def test_measure_cuts_every_set_to_one_size() -> None:
    assert measure(features(6, 30), features(7, 50), features(8, 40)).n == 30


@pytest.mark.parametrize(("n", "width"), [(1, 6), (40, 5)])
def test_sets_that_cannot_be_compared_are_refused(n: int, width: int) -> None:
    with pytest.raises(BadInput, match="expected"):
        kernel_distance(features(9), features(9, n=n)[:, :width])
