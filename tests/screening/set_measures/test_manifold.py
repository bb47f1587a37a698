"""Precision, recall, density and coverage equal prdc; authenticity equals its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prdc import compute_prdc

from curation.errors import BadInput
from screening.set_measures import manifold


def points(seed: int, n: int, dimension: int = 6, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dimension)) + shift


def all_four(real: np.ndarray, drawn: np.ndarray, k: int) -> dict[str, float]:
    """The four measures at one k, as prdc takes them."""
    within, own = manifold.distances(real, real), manifold.distances(drawn, drawn)
    across = manifold.distances(real, drawn)
    return {
        "precision": manifold.precision(within, across, k),
        "recall": manifold.recall(own, across, k),
        "density": manifold.density(within, across, k),
        "coverage": manifold.coverage(within, across, k),
    }


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(12, 60),
    st.integers(12, 60),
    st.sampled_from([3, 5]),
    st.floats(0, 2),
    st.integers(2, 40),
)
def test_the_four_measures_equal_the_reference_implementation(
    seed: int, n: int, m: int, k: int, shift: float, dimension: int
) -> None:
    real, drawn = points(seed, n, dimension), points(seed + 1, m, dimension, shift)
    expected = compute_prdc(real, drawn, nearest_k=k)
    assert all_four(real, drawn, k) == pytest.approx({name: float(point) for name, point in expected.items()}, abs=1e-6)


def test_the_usual_k_are_those_of_the_papers() -> None:
    assert (manifold.OVERLAP_K, manifold.COVERAGE_K) == (3, 5)


def test_copies_are_precise_and_none_is_authentic() -> None:
    real = points(5, 60)
    measures = all_four(real, real + 1e-9, 5)
    assert measures["precision"] == measures["recall"] == measures["coverage"] == 1.0
    assert not manifold.authentic(real + 1e-9, real).any()


def test_a_collapsed_set_is_precise_and_covers_little() -> None:
    real = points(5, 60)
    measures = all_four(real, np.repeat(real[:1], 60, axis=0) + 1e-6 * points(6, 60), 5)
    assert measures["precision"] == 1.0
    assert measures["recall"] < 0.1
    assert measures["coverage"] < 0.5


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 40), st.integers(1, 40))
def test_authenticity_equals_its_definition_counted_by_hand(seed: int, n: int, m: int) -> None:
    real, drawn = points(seed, n, 4), points(seed + 1, m, 4)
    expected = []
    for point in drawn:
        to_real = [np.sqrt(((point - other) ** 2).sum()) for other in real]
        nearest = int(np.argmin(to_real))
        others = [np.sqrt(((real[nearest] - real[place]) ** 2).sum()) for place in range(n) if place != nearest]
        expected.append(to_real[nearest] > min(others))
    assert manifold.authentic(drawn, real).tolist() == expected


def test_authenticity_in_blocks_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    real, drawn = points(7, 50), points(8, 45)
    whole = manifold.authentic(drawn, real)
    monkeypatch.setattr(manifold, "BLOCK", 350)
    assert manifold.authentic(drawn, real).tolist() == whole.tolist()


def test_too_few_images_for_a_neighbour_are_refused() -> None:
    with pytest.raises(BadInput, match="more than 5 images"):
        manifold.radii(manifold.distances(points(1, 5), points(1, 5)), 5)
    with pytest.raises(BadInput, match="at least 2 different real"):
        manifold.authentic(points(1, 5), points(1, 1))


def test_a_copy_is_seen_where_its_source_stands_twice() -> None:
    real = points(3, 40)
    copy = real[:1] + 1e-3
    assert not manifold.authentic(copy, real)[0]
    assert not manifold.authentic(copy, np.concatenate([real, real[:1]]))[0]
