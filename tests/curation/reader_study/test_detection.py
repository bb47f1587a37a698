"""d' and c are what signal detection theory says, and are given only for enough controls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from curation.reader_study.detection import FEWEST_CONTROLS, detection, signal_detection
from tests.curation.reader_study.rows import UNSURE, controls, row, table


def test_d_prime_and_criterion_of_a_worked_example() -> None:
    # Hits 80 of 100 and false alarms 20 of 100 with the log-linear correction: rates 80.5/101 and 20.5/101.
    d_prime, criterion = signal_detection(80, 100, 20, 100)
    assert d_prime.value == pytest.approx(2 * norm.ppf(80.5 / 101))
    assert d_prime.value == pytest.approx(1.6607, abs=2e-3)
    assert criterion.value == pytest.approx(0, abs=1e-12)
    assert d_prime.low < d_prime.value < d_prime.high


def test_a_perfect_reader_has_a_finite_d_prime() -> None:
    d_prime, _ = signal_detection(50, 50, 0, 50)
    assert 4 < d_prime.value < 6


@pytest.mark.slow
@given(st.integers(50, 200), st.integers(50, 200), st.data())
def test_swapping_signals_and_noises_turns_the_sign(signals: int, noises: int, data: st.DataObject) -> None:
    hits, alarms = data.draw(st.integers(0, signals)), data.draw(st.integers(0, noises))
    result, other = (
        signal_detection(hits, signals, alarms, noises)[0],
        signal_detection(alarms, noises, hits, signals)[0],
    )
    assert result.value == pytest.approx(-other.value)


def test_fewer_controls_than_stated_give_no_d_prime_and_say_so() -> None:
    result = detection(table(*controls(30, FEWEST_CONTROLS - 1, 5, FEWEST_CONTROLS)), "ada")
    assert result.d_prime.value is None
    assert result.d_prime.how == "too few: 49 defects and 50 real images read blind, 50 of each needed"
    assert result.sensitivity.value == pytest.approx(30 / 49)
    assert result.by_defect["ghosting"].n == 49


def test_unsure_is_no_detection() -> None:
    rows = controls(0, 10, 0, 10)
    doubted = [row(control.reading_id, UNSURE, purpose=control.purpose, truth=control.truth) for control in rows]
    assert detection(table(*doubted), "ada").sensitivity.value == 0


@pytest.mark.slow
def test_the_interval_of_d_prime_covers_it_about_as_often_as_it_says() -> None:
    random, truth, runs = np.random.default_rng(1), 1.5, 600
    covered = 0
    for _ in range(runs):
        hits, alarms = (random.binomial(100, norm.cdf(side * truth / 2)) for side in (1, -1))
        result = signal_detection(int(hits), 100, int(alarms), 100)[0]
        covered += result.low <= truth <= result.high
    assert 0.92 <= covered / runs <= 0.98
