"""A copy gate is set on validation subjects; each half measures the thresholds of the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screening.checks.check import Unset
from screening.copies.gates import (
    AlignedGate,
    CopyGate,
    CopyVerdict,
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
    alarms = [fitted.judge(*pair).verdict for pair in strangers]
    assert alarms.count("pass") / len(alarms) > 0.98
    assert alarms.count("block") / len(alarms) <= 0.01
    low, high = fitted.false_block_rate_95
    assert low <= alarms.count("block") / len(alarms) <= high


def test_a_copy_is_blocked_a_close_one_that_does_not_stand_out_is_flagged() -> None:
    fitted = gate()
    near = 0.9 * fitted.distance
    assert fitted.judge(near, near / fitted.ratio * 1.1).verdict == "block"
    assert fitted.judge(near, near * 1.001).verdict == "flag"
    assert fitted.judge(0.0, 0.0).verdict == "block"
    assert fitted.judge(fitted.distance, 2.0).verdict == "pass"


@pytest.mark.slow
def test_false_alarms_are_counted_where_the_thresholds_were_not_set() -> None:
    counted = [gate(seed, 200) for seed in range(60)]
    rate = sum(rate_counts.false_blocks + rate_counts.false_flags for rate_counts in counted) / sum(
        rate_counts.measured_on for rate_counts in counted
    )
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
    assert all_copied.judge(0.0, 0.0).verdict == "block"


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


def distances_with_detail(seed: int, count: int) -> np.ndarray:
    """What the search of pictures finds of strangers: two distances without fine detail, two with it."""
    return np.concatenate([distances(seed, count), distances(seed + 1_000, count)], axis=1)


def test_the_gate_on_pictures_blocks_by_any_of_its_four_criteria_and_few_strangers_by_all_together() -> None:
    fitted = fit_aligned_gate(distances_with_detail(0, 4_000), range(4_000))
    assert isinstance(fitted, AlignedGate)
    shares = []
    for seed in (0, 1):
        verdicts = [fitted.judge(*four).verdict for four in distances_with_detail(seed, 4_000).tolist()]
        shares.append(verdicts.count("block") / 4_000)
    assert 0.006 < shares[0] <= 0.008
    assert shares[1] <= 0.012
    plain = [0.5, 0.51, 0.5, 0.51]
    assert fitted.judge(*plain).verdict == "pass"
    assert fitted.judge(0.99 * fitted.distance, 0.99 * fitted.distance, 0.5, 0.51).verdict == "block"
    assert fitted.judge(0.5, 0.51, 0.99 * fitted.detail_distance, 0.99 * fitted.detail_distance).verdict == "block"
    assert fitted.judge(0.5, 0.5 / fitted.ratio * 1.01, 0.5, 0.51).verdict == "block"
    assert fitted.judge(0.5, 0.51, 0.5, 0.5 / fitted.detail_ratio * 1.01).verdict == "block"


GATE = AlignedGate(0.0067, 0.35, 0.0123, 0.4, 48, 48, 0, 0, (0.0, 0.1))
NEXT = "of the next subject's"


@pytest.mark.parametrize(
    ("four", "distance", "threshold", "with_detail"),
    [
        ((0.0126, 0.03, 0.011, 0.02), 0.011, "not below 0.0123 with fine detail", True),
        ((0.002, 0.015, 0.012, 0.02), 0.002, "not below 0.0067 without fine detail", False),
        ((0.0126, 0.05, 0.02, 0.03), 0.0126, f"not below 0.0175 without fine detail, 0.350 {NEXT}", False),
        ((0.0126, 0.03, 0.02, 0.06), 0.02, f"not below 0.024 with fine detail, 0.400 {NEXT}", True),
    ],
)
def test_a_block_names_the_distance_that_decided_and_its_threshold(
    four: tuple[float, float, float, float], distance: float, threshold: str, with_detail: bool
) -> None:
    assert GATE.judge(*four) == CopyVerdict("block", distance, threshold, with_detail)


def test_an_image_that_passes_names_every_threshold() -> None:
    assert GATE.judge(0.0126, 0.03, 0.02, 0.03) == CopyVerdict(
        "pass", 0.0126, "not below 0.0067, nor below 0.350 of the next subject's; with fine detail 0.0123 and 0.400"
    )


def test_the_gate_on_pictures_needs_a_second_subject_in_both_comparisons() -> None:
    alone = distances_with_detail(0, 60)
    alone[:, 3] = np.inf
    assert "two are needed" in str(fit_aligned_gate(alone, range(60)))
