"""Repeats, tiredness, haste, exclusion and the Turing test, on readings made by hand."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from curation.reader_study.consensus import consensus
from curation.reader_study.detection import detection
from curation.reader_study.exclusion import apply_exclusion_rule
from curation.reader_study.over_time import reading_over_time, sittings
from curation.reader_study.turing import auc, turing_result
from curation.reading.recipe import ExclusionRule
from curation.tables.reading import AssignmentPurpose, Purpose
from tests.curation.reader_study.rows import ACCEPT, NOON, REJECT, controls, row, table


def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_reader_is_held_against_themselves_on_repeats_alone() -> None:
    first = [row(n, ACCEPT if n % 2 else REJECT) for n in range(1, 41)]
    changed = {1, 2, 3, 4}
    again = [
        row(100 + n, (REJECT if n % 2 else ACCEPT) if n in changed else reading.verdict, item=n, given_as=given_as)
        for n, reading in enumerate(first, 1)
        for given_as in (AssignmentPurpose.REPEAT,)
    ]
    result = reading_over_time(table(*first, *again), "ada", random())
    assert result.repeats_alike.value == pytest.approx(0.9)
    assert result.repeats_alike.n == 40
    assert result.repeats_kappa.value == pytest.approx(0.8)
    assert (
        reading_over_time(table(*first, *again[:19]), "ada", random()).repeats_alike.how == "too few: 19 of 20 needed"
    )


def test_a_sitting_ends_with_a_gap_of_more_than_thirty_minutes() -> None:
    later = [row(n, ACCEPT, read_at=NOON + timedelta(minutes=31, seconds=n)) for n in range(10, 14)]
    runs = sittings([*later, *(row(n, ACCEPT, read_at=NOON + timedelta(seconds=n)) for n in range(4))])
    assert [len(run) for run in runs] == [4, 4]


def test_drift_is_the_last_third_of_a_sitting_less_the_first() -> None:
    rows = [row(n, ACCEPT if n < 30 or n >= 85 else REJECT) for n in range(90)]
    result = reading_over_time(table(*rows), "ada", random())
    assert result.accepted_early.value == 1
    assert result.accept_drift.value == pytest.approx(5 / 30 - 1)
    assert result.accept_drift.high < 0
    steady = [row(n + 1, ACCEPT, item=n) for n in range(90)]
    never = reading_over_time(table(*steady), "ada", random()).accept_drift
    assert (never.value, never.how) == (0, "Newcombe")
    assert never.low < -0.05 < 0.05 < never.high  # 30 and 30 accepted are no certainty
    assert result.right_drift.how == "too few: 0 of 20 in a third needed"
    wrong_late = [
        replace(reading, item_id=n, reading_id=n, read_at=NOON + timedelta(seconds=n))
        for n, reading in enumerate([*controls(30, 30, 0, 0), *controls(15, 30, 0, 0), *controls(0, 30, 0, 0)])
    ]
    tired = reading_over_time(table(*wrong_late), "ada", random()).right_drift
    assert (tired.value, tired.n) == (-1, 60)


def test_haste_and_accuracy_are_told_apart_by_the_readers_own_median() -> None:
    rows = controls(50, 100, 0, 0)
    timed = [replace(reading, elapsed_ms=5_000 if reading.verdict is REJECT else 500) for reading in rows]
    result = reading_over_time(table(*timed), "ada", random())
    assert (result.right_fast.value, result.right_slow.value) == (0, 1)
    assert result.right_fast.n == result.right_slow.n == 50


def test_a_rule_fixed_beforehand_excludes_and_one_that_cannot_be_judged_does_not() -> None:
    rule = ExclusionRule(min_sensitivity=0.6, max_false_rejects=0.3, min_repeat_agreement=0.8)
    rows = table(*controls(20, 50, 5, 50))
    judged = {
        line.rule: line.excluded
        for line in apply_exclusion_rule(rule, detection(rows, "ada"), reading_over_time(rows, "ada", random()))
    }
    assert judged == {
        "sensitivity at least 0.6": True,
        "real images rejected at most 0.3": False,
        "repeats read alike at least 0.8": None,
    }
    assert apply_exclusion_rule(ExclusionRule(), detection(rows, "ada"), reading_over_time(rows, "ada", random())) == []


def test_auc_is_the_share_of_pairs_told_apart_with_ties_half() -> None:
    assert auc(np.array([6.0, 5, 4]), np.array([1.0, 2, 3])) == 1
    assert auc(np.array([3.0, 3]), np.array([3.0, 3])) == 0.5
    assert auc(np.array([1.0, 3]), np.array([2.0, 2])) == 0.5


def rated(readers: int, shift: float) -> list:  # type: ignore[type-arg]
    draw = np.random.default_rng(5)
    rows = []
    for reader in range(readers):
        for image in range(120):
            real = image < 60
            level = int(np.clip(round(3.5 + (shift if real else -shift) + draw.normal()), 1, 6))
            purpose = Purpose.REAL_CONTROL if real else Purpose.CANDIDATE
            reading = row(reader * 120 + image + 1, ACCEPT if level > 3 else REJECT, item=image, purpose=purpose)
            rows.append(replace(reading, reader=f"r{reader}", reader_id=reader, confidence=level))
    return rows


def test_indistinguishable_needs_a_margin_stated_in_advance_and_an_interval_within_it() -> None:
    blind, seen = table(*rated(5, 0.0)), table(*rated(5, 1.0))
    assert turing_result(blind, 0.65, random()).indistinguishable
    assert not turing_result(blind, 0.51, random()).indistinguishable
    without = turing_result(blind, None, random())
    assert not without.indistinguishable
    assert "nothing is said" in without.sentence
    told_apart = turing_result(seen, 0.65, random())
    assert told_apart.pooled.low > 0.7
    assert "not shown to be indistinguishable" in told_apart.sentence


def test_two_and_three_readers_conclude_nothing_and_nobody_is_certain() -> None:
    few = turing_result(table(*rated(3, 0.0)), 0.9, random())
    assert 0.1 < few.pooled.low < few.pooled.high < 0.9
    assert not few.indistinguishable
    assert "With fewer than 4 readers it is too narrow to conclude from." in few.sentence
    assert turing_result(table(*rated(4, 0.0)), 0.9, random()).indistinguishable
    perfect = turing_result(table(*rated(5, 9.0)), 0.9, random())
    assert (perfect.pooled.value, perfect.pooled.low) == (1, None)
    assert "so nothing is concluded" in perfect.sentence


def test_a_turing_test_of_few_images_or_one_reader_gives_no_pooled_auc() -> None:
    result = turing_result(table(*rated(1, 1.0)), 0.6, random())
    assert result.by_reader["r0"].value > 0.8
    assert result.pooled.how == "too few: 1 readers with enough, 2 needed"
    assert turing_result(table(*rated(3, 1.0)[:40]), 0.6, random()).by_reader["r0"].value is None


def test_consensus_follows_the_readers_who_agree_and_doubts_the_one_who_does_not() -> None:
    draw = np.random.default_rng(2)
    truth = draw.random(60) < 0.6
    rows = []
    for reader, wrong in enumerate((0.05, 0.05, 0.05, 0.5)):
        for image, is_good in enumerate(truth):
            accepted = bool(is_good) != (draw.random() < wrong)
            reading = row(reader * 60 + image + 1, ACCEPT if accepted else REJECT, item=image)
            rows.append(replace(reading, reader=f"r{reader}", reader_id=reader))
    result = consensus(table(*rows))
    assert result.reason is None
    assert min(result.readers, key=lambda name: result.readers[name]) == "r3"
    right = [image.accepted == bool(truth[image.image_id]) for image in result.images]
    assert np.mean(right) > 0.9
    assert [image.quality for image in result.images] == sorted(image.quality for image in result.images)
    assert consensus(table(*rows[:60])).reason == "too few: 0 images read by two people or more, 20 needed"
