"""Membership inference on points of which it is known who was copied."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from screening.set_measures.membership import (
    area_under_curve,
    balanced_groups,
    calibrated_scores,
    detectable,
    found_at_few_false,
)

scores = st.lists(st.integers(0, 6), min_size=2, max_size=25)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(scores, scores)
def test_the_area_is_that_of_the_library_with_ties_and_lies_in_its_interval(
    members: list[int], others: list[int]
) -> None:
    estimate = area_under_curve(np.array(members, float), np.array(others, float))
    expected = roc_auc_score([1] * len(members) + [0] * len(others), members + others)
    assert estimate.value == pytest.approx(expected)
    assert 0 <= estimate.low <= estimate.value + 1e-9
    assert estimate.value - 1e-9 <= estimate.high <= 1


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    held = []
    for _ in range(400):
        estimate = area_under_curve(random.normal(0.6, 1, 40), random.normal(0, 1, 40))
        held.append(estimate.low <= 0.6643 <= estimate.high)  # Phi(0.6 / sqrt 2)
    assert 0.92 <= np.mean(held) <= 0.98


def test_a_perfect_separation_has_a_bound_below_one() -> None:
    estimate = area_under_curve(np.arange(30.0, 60), np.arange(30.0))
    assert (estimate.value, estimate.high) == (1.0, 1.0)
    assert estimate.low == pytest.approx(0.025 ** (1 / 30))
    assert area_under_curve(np.arange(30.0), np.arange(30.0, 60)).high == pytest.approx(1 - 0.025 ** (1 / 30))


def test_below_a_hundred_non_members_no_false_positive_is_allowed() -> None:
    estimate, false_positives = found_at_few_false(np.array([1.0, 2, 3, 4]), np.array([0.0, 2.5]))
    assert (estimate.value, false_positives.value) == (0.5, 0.0)
    estimate, false_positives = found_at_few_false(np.array([197.5, 196.5]), np.arange(200.0))
    assert (estimate.value, false_positives.value) == (0.5, 0.01)


def test_copies_are_found_and_fresh_draws_are_not() -> None:
    random = np.random.default_rng(1)
    members, others, reference = (random.normal(size=(80, 8)) for _ in range(3))
    copies = members + 0.05 * random.normal(size=members.shape)
    fresh = random.normal(size=(80, 8))
    areas = [
        area_under_curve(*(calibrated_scores(member, drawn, reference) for member in (members, others)))
        for drawn in (copies, fresh)
    ]
    assert areas[0].low > 0.9
    assert areas[1].low < 0.5 < areas[1].high


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.booleans())
def test_groups_are_disjoint_and_hold_as_many_of_each_class(seed: int, with_reference: bool) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(0, 12, (3, 2))
    places = iter(range(1_000))
    lists = [[(next(places), label) for label, n in zip("ab", row, strict=True) for _ in range(n)] for row in sizes]
    label_of = dict(item for member in lists for item in member)
    groups = balanced_groups(lists[0], lists[1], lists[2] if with_reference else [], random)
    sides = [groups.members, groups.others, groups.reference]
    assert len({place for side in sides for place in side}) == sum(map(len, sides))
    assert len({tuple(sorted(label_of[place] for place in side)) for side in sides}) == 1


def test_what_could_be_detected_shrinks_towards_one_half() -> None:
    assert 0.5 < detectable(1_000) < detectable(100) < detectable(20) < 0.8
