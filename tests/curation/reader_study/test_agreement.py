"""Agreement is what its authors say on worked examples, 1 for equals and about 0 for dice."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.reader_study.agreement import (
    agreements,
    answer_counts,
    fleiss,
    gwet_ac1,
    krippendorff_alpha,
    pair_agreements,
)
from tests.curation.reader_study.rows import ACCEPT, REJECT, row, table

# Fleiss (1971), the worked example that textbooks repeat: 10 subjects, 14 raters, 5 categories, kappa 0.210.
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ],
    dtype=np.float64,
)
COUNTS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=3, max_size=30)


def test_fleiss_worked_example() -> None:
    assert fleiss(FLEISS) == pytest.approx(0.210, abs=5e-4)


def test_ac1_is_what_the_reference_program_gives() -> None:
    # irrCAC 0.4.4 on raters 1 1 0 1 0 1 and 1 0 0 1 0 1: AC1 0.67568, observed .83333, chance .48611.
    pairs = zip((1, 1, 0, 1, 0, 1), (1, 0, 0, 1, 0, 1), strict=True)
    counts = answer_counts([(item, answer) for item, pair in enumerate(pairs) for answer in pair])
    assert gwet_ac1(counts) == pytest.approx(0.67568, abs=5e-6)


def test_ac1_stays_high_where_kappa_collapses_under_skewed_rates() -> None:
    counts = np.array([[2, 0]] * 95 + [[1, 1]] * 5, dtype=np.float64)
    assert gwet_ac1(counts) > 0.9
    assert fleiss(counts) < 0.05


@pytest.mark.slow
@given(COUNTS)
def test_the_order_of_images_and_of_answers_does_not_matter(cells: list[tuple[int, int]]) -> None:
    counts = np.array(cells, dtype=np.float64)
    for statistic in (krippendorff_alpha, gwet_ac1):
        assert statistic(counts) == pytest.approx(statistic(counts[::-1]), nan_ok=True)
        assert statistic(counts) == pytest.approx(statistic(counts[:, ::-1]), nan_ok=True)


def readings(readers: int, images: int, accepts: list[list[bool]]) -> list:  # type: ignore[type-arg]
    rows = []
    for reader in range(readers):
        for image in range(images):
            verdict = ACCEPT if accepts[reader][image] else REJECT
            reading = row(
                1 + reader * images + image, verdict, item=image, reasons=() if verdict is ACCEPT else ("blur",)
            )
            rows.append(replace(reading, reader=f"r{reader}", reader_id=reader))
    return rows


@pytest.mark.slow
def test_equals_agree_perfectly_and_dice_do_not() -> None:
    random = np.random.default_rng(3)
    same = (random.random(100) < 0.6).tolist()
    dice = [(random.random(100) < 0.6).tolist() for _ in range(3)]
    for accepts, low, high in (([same] * 3, 1, 1), (dice, -0.15, 0.15)):
        results = agreements(table(*readings(3, 100, accepts)), ["blur"], np.random.default_rng(0))
        by_question = {result.question: result for result in results}
        verdict = by_question["verdict"]
        for estimate in (verdict.alpha, verdict.fleiss):
            assert low - 1e-9 <= estimate.value <= high + 1e-9
        assert verdict.alpha.n == 100
        assert verdict.alpha.low <= verdict.alpha.value <= verdict.alpha.high
        # A rejection always came with the same reason, so the reason is the verdict said again.
        assert by_question["reason blur"].alpha.value == pytest.approx(by_question["verdict reject"].alpha.value)


def test_pairs_are_compared_on_what_both_have_read() -> None:
    accepts = [[True] * 15 + [False] * 15, [True] * 15 + [False] * 15, [False, True] * 15]
    results = {
        result.readers: result.kappa
        for result in pair_agreements(table(*readings(3, 30, accepts)), np.random.default_rng(0))
    }
    assert results[("r0", "r1")].value == 1
    assert abs(results[("r0", "r2")].value) < 0.2
    assert results[("r0", "r1")].n == 30


def test_too_few_images_are_said_to_be_too_few() -> None:
    (verdict, *_) = agreements(table(*readings(2, 19, [[True] * 19] * 2)), [], np.random.default_rng(0))
    assert verdict.alpha.value is None
    assert verdict.alpha.how == "too few: 19 images read by two people or more, 20 needed"


@pytest.mark.slow
def test_where_every_answer_is_the_same_alpha_is_not_defined_and_ac1_is_one() -> None:
    (verdict, *_) = agreements(table(*readings(2, 30, [[True] * 30] * 2)), [], np.random.default_rng(0))
    assert verdict.alpha.how == "not defined: too little varies"
    assert verdict.ac1.value == 1
    assert verdict.ac1.low == pytest.approx(0.025 ** (1 / 30))  # exact: 30 of 30 images agree, nothing by chance


def test_perfect_agreement_has_an_interval_with_a_width() -> None:
    accepts = [True] * 15 + [False] * 15
    (verdict, *_) = agreements(table(*readings(2, 30, [accepts] * 2)), [], np.random.default_rng(0))
    (pair,) = pair_agreements(table(*readings(2, 30, [accepts] * 2)), np.random.default_rng(0))
    for estimate in (verdict.alpha, verdict.fleiss, verdict.ac1, pair.kappa):
        assert (estimate.value, estimate.high) == (pytest.approx(1), 1)
        assert estimate.low == pytest.approx((0.025 ** (1 / 30) - 0.5) / 0.5)  # two answers, equally often


def test_images_read_once_enter_the_chance_of_ac1_alone() -> None:
    # Gwet 2008: observed agreement over images that two or more read, shares of answers over all of them.
    counts = np.array([[2, 0]] * 6 + [[0, 2]] * 2 + [[1, 1]] * 2 + [[0, 1]] * 10, dtype=np.float64)
    shares = np.array([(6 + 1) / 20, (2 + 1 + 10) / 20])
    chance = (shares * (1 - shares)).sum()
    assert gwet_ac1(counts) == pytest.approx((0.8 - chance) / (1 - chance))
    assert gwet_ac1(counts) != pytest.approx(gwet_ac1(counts[:10]))
