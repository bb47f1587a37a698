"""Limits flag as many real images as was asked, and who sets one is never judged by it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screening.checks.check import Unset
from screening.checks.limits import FOLDS, Limit, fit_limit, folds


def limit(values: np.ndarray, tail: float = 0.05, above: bool = True) -> Limit:
    fitted = fit_limit(values, tail, above)
    assert isinstance(fitted, Limit)
    return fitted


def test_further_real_images_are_flagged_at_most_as_often_as_was_asked() -> None:
    random = np.random.default_rng(0)
    rates = [(random.normal(size=1_000) > limit(random.normal(size=99)).flag).mean() for _ in range(300)]
    assert 0.045 < np.mean(rates) < 0.055


@pytest.mark.slow
@given(st.lists(st.floats(-1e6, 1e6), min_size=40, max_size=80))
def test_a_lower_limit_is_the_mirror_image_of_an_upper_one(values: list[float]) -> None:
    known = np.array(values)
    upper, lower = limit(-known), limit(known, above=False)
    assert lower.flag == -upper.flag
    assert [lower.verdict(value) for value in values] == [upper.verdict(-value) for value in values]


def test_with_too_few_images_for_the_tail_the_extreme_is_the_limit_and_the_tail_says_so() -> None:
    fitted = limit(np.arange(49.0), tail=0.001)
    assert (fitted.flag, fitted.tail, fitted.tuned_on) == (48.0, 0.02, 49)
    assert fitted.verdict(48.0) == "pass"
    assert str(fitted) == "at most 48"


def test_unknown_values_count_for_nothing_and_too_few_known_ones_set_no_limit() -> None:
    values = np.concatenate([np.arange(39.0), np.full(20, np.nan)])
    fitted = fit_limit(values, 0.01, above=True)
    assert isinstance(fitted, Unset)
    assert str(fitted) == "not set: 39 real validation images, 40 are needed"
    assert fitted.verdict(1e9) == "flag"


@given(images_per_subject=st.integers(1, 5), subjects=st.integers(10, 60))
def test_all_images_of_a_subject_fall_in_one_fold(images_per_subject: int, subjects: int) -> None:
    of = np.repeat(np.arange(subjects) * 7, images_per_subject)
    fold_of = folds(of.tolist())
    assert set(fold_of.tolist()) == set(range(FOLDS))
    assert all(len(set(fold_of[of == subject].tolist())) == 1 for subject in set(of.tolist()))
