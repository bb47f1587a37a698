"""The copy gate is set on the validation subjects, and each half answers for the thresholds of the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screening.checks.check import Unset
from screening.copies.gates import (
    AlignedGate,
    CopyGate,
    copied_in_cohort,
    fit_aligned_gate,
    fit_copy_gate,
    half_of_subjects,
)


def distances(seed: int, count: int) -> np.ndarray:
    """Nearest and next subject's nearest, as of pictures that copied nobody."""
    two = np.sort(np.random.default_rng(seed).normal(0.5, 0.05, (count, 2)), axis=1)
    return two.astype(np.float32)


def gate(seed: int = 0, count: int = 4_000) -> CopyGate:
    fitted = fit_copy_gate(distances(seed, count), range(count))
    assert isinstance(fitted, CopyGate)
    return fitted


def test_real_held_out_images_are_blocked_about_as_rarely_as_was_asked() -> None:
    fitted = gate()
    strangers = distances(1, 20_000).tolist()
    alarms = [fitted.verdict_of(*pair) for pair in strangers]
    assert alarms.count("pass") / len(alarms) > 0.98
    assert alarms.count("block") / len(alarms) <= 0.01
    low, high = fitted.false_block_rate_95
    assert low <= alarms.count("block") / len(alarms) <= high


def test_a_copy_is_blocked_a_close_one_that_does_not_stand_out_is_flagged() -> None:
    fitted = gate()
    near = 0.9 * fitted.distance
    assert fitted.verdict_of(near, near / fitted.ratio * 1.1) == "block"
    assert fitted.verdict_of(near, near * 1.001) == "flag"
    assert fitted.verdict_of(0.0, 0.0) == "block"
    assert fitted.verdict_of(fitted.distance, 2.0) == "pass"


@pytest.mark.slow
def test_false_alarms_are_counted_where_the_thresholds_were_not_set() -> None:
    counted = [gate(seed, 200) for seed in range(60)]
    rate = sum(one.false_blocks + one.false_flags for one in counted) / sum(one.measured_on for one in counted)
    in_sample = 0.01
    assert in_sample < rate < 0.03


@pytest.mark.slow
@given(images_per_subject=st.integers(1, 10), seed=st.integers(0, 50))
def test_no_subject_both_sets_thresholds_and_measures_them(images_per_subject: int, seed: int) -> None:
    subjects = np.repeat(np.arange(40), images_per_subject)
    fitted = fit_copy_gate(distances(seed, len(subjects)), subjects.tolist(), seed)
    assert isinstance(fitted, CopyGate)
    assert fitted.tuned_on == fitted.measured_on == 40 * images_per_subject
    chosen = half_of_subjects(subjects.tolist(), seed)
    assert chosen.sum() == 20 * images_per_subject
    assert set(subjects[chosen]).isdisjoint(subjects[~chosen])


def test_validation_images_that_are_training_images_are_told_apart_and_switch_no_gate_off() -> None:
    leaked = distances(0, 524)
    leaked[:8, 0] = 0.0
    leaked[8:10] = [[0.0, 0.0], [0.1, 0.5]]
    copied = copied_in_cohort(leaked)
    assert np.flatnonzero(copied).tolist() == list(range(10))
    clean = fit_copy_gate(leaked[~copied], range(514))
    assert isinstance(clean, CopyGate)
    assert clean.distance > 0.3


def test_an_exact_copy_is_blocked_even_where_the_cohort_itself_is_full_of_them() -> None:
    all_copied = fit_copy_gate(np.zeros((60, 2), np.float32), range(60))
    assert isinstance(all_copied, CopyGate)
    assert all_copied.distance == 0
    assert all_copied.verdict_of(0.0, 0.0) == "block"


def test_too_few_validation_images_or_subjects_set_no_gate_and_flag_everything() -> None:
    for count, subjects in ((39, range(39)), (60, [1] * 60)):
        fitted = fit_copy_gate(distances(0, count), list(subjects))
        assert isinstance(fitted, Unset)
        assert fitted.verdict(1.9) == "flag"
    assert "39 real validation images, 40 are needed" in str(fit_copy_gate(distances(0, 39), range(39)))


def test_one_training_subject_is_too_few_to_stand_out_from() -> None:
    alone = distances(0, 60)
    alone[:, 1] = np.inf
    assert "two are needed" in str(fit_copy_gate(alone, range(60)))


def laid_over(seed: int, count: int) -> np.ndarray:
    """What the search of pictures finds of strangers: two distances without fine detail, two with it."""
    return np.concatenate([distances(seed, count), distances(seed + 1_000, count)], axis=1)


def test_the_gate_on_pictures_blocks_by_any_of_its_four_criteria_and_few_strangers_by_all_together() -> None:
    fitted = fit_aligned_gate(laid_over(0, 4_000), range(4_000))
    assert isinstance(fitted, AlignedGate)
    shares = []
    for seed in (0, 1):
        verdicts = [fitted.verdict_of(*own) for own in laid_over(seed, 4_000).tolist()]
        shares.append(verdicts.count("block") / 4_000)
    assert 0.006 < shares[0] <= 0.008
    assert shares[1] <= 0.012
    plain = [0.5, 0.51, 0.5, 0.51]
    assert fitted.verdict_of(*plain) == "pass"
    assert fitted.verdict_of(0.99 * fitted.distance, 0.99 * fitted.distance, 0.5, 0.51) == "block"
    assert fitted.verdict_of(0.5, 0.51, 0.99 * fitted.detail_distance, 0.99 * fitted.detail_distance) == "block"
    assert fitted.verdict_of(0.5, 0.5 / fitted.ratio * 1.01, 0.5, 0.51) == "block"
    assert fitted.verdict_of(0.5, 0.51, 0.5, 0.5 / fitted.detail_ratio * 1.01) == "block"


def test_the_gate_on_pictures_needs_a_second_subject_in_both_comparisons() -> None:
    alone = laid_over(0, 60)
    alone[:, 3] = np.inf
    assert "two are needed" in str(fit_aligned_gate(alone, range(60)))
