"""Parts of sets and the intervals they give."""

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from screening.set_measures.intervals import (
    Z,
    difference,
    measured_on_parts,
    of_distance,
    of_share,
    parts_of,
)


def test_parts_repeat_no_image_and_are_the_same_for_a_seed() -> None:
    first = parts_of((20, 31), 50, seed=3)
    assert all(len(set(a)) == len(a) == 16 and len(set(b)) == len(b) == 25 for a, b in first)
    again = parts_of((20, 31), 50, seed=3)
    assert all(
        np.array_equal(a, b)
        for first, second in zip(first, again, strict=True)
        for a, b in zip(first, second, strict=True)
    )
    assert not all(np.array_equal(a, b) for (a, _), (b, _) in zip(first, parts_of((20, 31), 50, seed=4), strict=True))


def test_of_a_mean_they_give_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=200)
    whole, parts = measured_on_parts(
        lambda positions: {"mean": float(values[positions[0]].mean())}, (200,), 4_000, 1, lambda done: None
    )
    estimate = of_distance(whole["mean"], parts["mean"], 200)
    error = values.std(ddof=1) / np.sqrt(200)
    assert (estimate.high - estimate.low) / (2 * Z) == pytest.approx(error, rel=0.05)


def test_a_share_that_never_varies_has_an_interval_all_the_same() -> None:
    estimate = of_share(1.0, [1.0] * 50, 40)
    assert estimate.high == 1.0
    assert 0.85 < estimate.low < 0.95


def test_a_share_is_never_surer_than_its_images_allow() -> None:
    assert of_share(0.5, [0.5, 0.5001], 40) == of_share(0.5, [0.5, 0.5], 40)


def test_a_share_that_jumps_is_not_held_to_be_worth_nothing() -> None:
    assert of_share(0.96, [0.5, 1.0, 0.7], 40) == of_share(0.96, [0.0, 1.0, 0.5], 40)
    assert of_share(0.96, [0.5, 1.0, 0.7], 40).low > 0.6


def test_a_distance_is_cut_off_where_it_cannot_go() -> None:
    assert of_distance(0.1, [0.0, 0.4, 0.2], 10, lowest=0.0).low == 0.0
    assert of_distance(0.1, [0.0, 0.4, 0.2], 10).low < 0.0


def test_the_difference_of_two_plain_shares_is_newcombes() -> None:
    first, second = of_share(30 / 40, [0.75, 0.75], 40), of_share(20 / 40, [0.5, 0.5], 40)
    estimate = difference(first, second)
    expected = confint_proportions_2indep(30, 40, 20, 40, method="newcomb", compare="diff")
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.25, *expected))
    assert difference(of_share(1.0, [1.0, 1.0], 40), of_share(1.0, [1.0, 1.0], 40)).low < -0.05
