"""Proportions have exact intervals, and readings of one image count together; saved keys stay."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import binomtest

from curation.estimates import (
    EXACT,
    Estimate,
    ImageSums,
    as_saved,
    proportion,
    proportion_over_images,
    rounded_interval,
    rounded_proportion,
)


def bounds(estimate: Estimate) -> tuple[float, float]:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.high


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.30849710781876294),
        (3, 10, 0.06673951117773447, 0.652452850060008),
        (17, 200, 0.05029591863024178, 0.1326051658295526),
        (199, 200, 0.9724581015424416, 0.9998734189719902),
        (1000, 1000, 0.9963179161033608, 1.0),
    ],
)
def test_a_proportion_has_the_interval_of_clopper_and_pearson(hits: int, n: int, low: float, high: float) -> None:
    share = proportion(hits, n)
    assert (share.value, share.n, share.hits, share.how) == (hits / n, n, hits, EXACT)
    assert bounds(share) == pytest.approx((low, high), abs=1e-12)
    scipys = binomtest(hits, n).proportion_ci(method="exact")
    assert bounds(share) == pytest.approx((scipys.low, scipys.high), abs=1e-11)


def test_too_few_have_no_proportion() -> None:
    nothing = proportion(2, 4, fewest=5)
    assert (nothing.value, nothing.low, nothing.how) == (None, None, "too few: 4 of 5 needed")
    with pytest.raises(ValueError, match="too few: 4 of 5 needed"):
        nothing.percent()


def test_saved_proportions_are_rounded_and_nothing_counted_is_anything() -> None:
    assert rounded_interval(17, 200) == [0.0503, 0.1326]
    assert rounded_interval(0, 0) == [0.0, 1.0]
    assert rounded_proportion(17, 200) == {"count": 17, "n": 200, "low": 0.0503, "high": 0.1326}


def test_a_saved_estimate_is_its_value_and_its_interval() -> None:
    @dataclass
    class Row:
        name: str
        shares: dict[str, Estimate]
        missing: Estimate | None

    row = Row("coverage", {"all": Estimate(0.5, 0.25, None, 8, "")}, None)
    saved = {"name": "coverage", "shares": {"all": {"value": 0.5, "low": 0.25, "high": None}}, "missing": None}
    assert as_saved(row) == saved


def test_the_module_imports_no_statistics_until_an_interval_is_asked_for() -> None:
    program = "import sys, curation.estimates; sys.exit(bool({'statsmodels', 'scipy.stats'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("counts", "effective_n", "low", "high"),
    [
        ([(2, 2)] * 30 + [(2, 0)] * 20, 47.77116693114578, 0.4481807927568479, 0.7389560718039498),
        ([(3, 3), (3, 1), (2, 0), (1, 1), (5, 2)], 5.933400020387408, 0.1166331995142537, 0.8833668004857463),
        ([(2, 0)] * 10, 8.560574099970752, 0.0, 0.35008582349977013),
        ([(2, 2)] * 10, 8.560574099970752, 0.6499141765002299, 1.0),
    ],
)
def test_readings_of_one_image_count_by_their_design_effect(
    counts: list[tuple[int, int]], effective_n: float, low: float, high: float
) -> None:
    sums = ImageSums.of(counts)
    assert sums.effective_n == pytest.approx(effective_n, abs=1e-12)
    assert bounds(sums.proportion()) == pytest.approx((low, high), abs=1e-12)


def test_rows_are_counted_by_their_image() -> None:
    rows = [(1, True), (1, True), (2, False), (2, False)]
    share = proportion_over_images(rows, is_hit=lambda row: row[1], image_of=lambda row: row[0])
    assert share == ImageSums.of([(2, 2), (2, 0)]).proportion()
    assert (share.hits, share.n) == (2, 4)


@pytest.mark.parametrize(
    ("accepted", "n", "low", "high"), [(0, 5, 0.0, 0.522), (5, 10, 0.187, 0.813), (3, 3, 0.292, 1.0)]
)
def test_the_interval_is_exact_where_every_image_was_read_once(accepted: int, n: int, low: float, high: float) -> None:
    counted = ImageSums.of([(1, 1)] * accepted + [(1, 0)] * (n - accepted))
    assert bounds(counted.proportion()) == pytest.approx((low, high), abs=1e-3)


def test_readers_who_always_agree_are_worth_one_reader() -> None:
    twice = ImageSums.of([(2, 2)] * 30 + [(2, 0)] * 20)
    once = ImageSums.of([(1, 1)] * 30 + [(1, 0)] * 20)
    assert twice.effective_n == pytest.approx(50, rel=0.06)
    assert bounds(twice.proportion()) == pytest.approx(bounds(once.proportion()), abs=0.02)


def test_readers_who_agree_by_chance_are_worth_nearly_both() -> None:
    counted = ImageSums.of([(2, 2)] * 25 + [(2, 1)] * 50 + [(2, 0)] * 25)
    assert counted.effective_n == pytest.approx(200, rel=0.03)


@pytest.mark.parametrize("hits", [0, 2])
def test_images_count_once_where_nothing_varies(hits: int) -> None:
    assert ImageSums.of([(2, hits)] * 10).effective_n == pytest.approx(10, rel=0.2)


def test_two_readings_of_one_image_are_worth_one() -> None:
    assert ImageSums.of([(2, 1)]).effective_n == 1
    low, high = bounds(ImageSums.of([(2, 1)]).proportion())
    assert low < 0.02 < 0.98 < high


def test_the_interval_covers_where_images_differ_in_how_often_they_are_accepted() -> None:
    random, covered, runs = np.random.default_rng(0), 0, 400
    for _ in range(runs):
        easy = random.beta(1, 1, 60)  # accepted half the time on average, each image in its own way
        low, high = bounds(ImageSums.of([(3, int(hits)) for hits in random.binomial(3, easy)]).proportion())
        covered += low <= 0.5 <= high
    assert covered / runs >= 0.93
