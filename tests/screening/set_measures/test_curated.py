"""Shares, ratios and odds on counts of which the answer is known."""

import numpy as np
import pytest
from scipy.stats.contingency import odds_ratio

from curation.tables.reading import OutcomeVerdict
from screening.set_measures.curated import acceptance_odds, representation
from screening.set_measures.modes import Grouping, find_modes, levels_of

APPROVED, REJECTED, UNRESOLVED = OutcomeVerdict.APPROVED, OutcomeVerdict.REJECTED, OutcomeVerdict.UNRESOLVED


def repeated(**counts: int) -> list[str]:
    return [name for name, count in counts.items() for _ in range(count)]


def test_a_mode_without_any_kept_image_is_missed_and_the_others_are_not() -> None:
    real, drawn = repeated(common=80, rare=40), repeated(common=60, rare=30)
    grouping = Grouping("mode", real, drawn, within_class=True)
    kept = [level == "common" for level in drawn]
    common, rare = representation(grouping, ["a"] * 120, ["a"] * 90, kept, looks=2)
    assert (rare.state, rare.ratio.value, rare.kept.hits) == ("missed", 0.0, 0)
    assert rare.ratio.low == 0.0
    assert rare.ratio.high < 0.3
    assert common.state == "ample"
    assert (common.real.share.value, common.drawn.share.value) == pytest.approx((2 / 3, 2 / 3))


def test_equal_shares_are_even_where_there_is_enough_and_unsure_where_not() -> None:
    def states(times: int) -> set[str]:
        levels = repeated(a=10 * times, b=10 * times)
        rows = representation(
            Grouping("g", levels, levels), ["c"] * len(levels), ["c"] * len(levels), [True] * len(levels), 2
        )
        return {row.state for row in rows}

    assert states(20) == {"even"}
    assert states(1) == {"unsure"}


def test_more_looks_ask_for_more() -> None:
    real, drawn = repeated(a=60, b=60), repeated(a=12, b=28)
    grouping = Grouping("g", real, drawn)
    few, many = (representation(grouping, ["c"] * 120, ["c"] * 40, [True] * 40, looks)[0].state for looks in (1, 50))
    assert (few, many) == ("scarce", "unsure")


def test_nothing_kept_is_said_and_not_computed() -> None:
    rows = representation(Grouping("g", repeated(a=5, b=5), repeated(a=3)), ["c"] * 10, ["c"] * 3, [False] * 3, 2)
    assert [(row.ratio, row.state) for row in rows] == [(None, "nothing kept")] * 2


def test_odds_within_one_class_are_the_plain_odds_ratio() -> None:
    levels = repeated(a=30, b=30)
    verdicts = [APPROVED] * 20 + [REJECTED] * 10 + [APPROVED] * 10 + [REJECTED] * 20
    a, b = acceptance_odds(Grouping("g", None, levels), ["c"] * 60, verdicts)
    assert a.ratio.value == pytest.approx(4.0)
    assert b.ratio.value == pytest.approx(0.25)
    assert a.ratio.low == pytest.approx(np.exp(np.log(4) - 1.96 * np.sqrt(0.3)), rel=1e-3)
    exact = odds_ratio([[20, 10], [10, 20]]).confidence_interval()
    assert exact.low < a.ratio.low < a.ratio.high < exact.high


def test_a_class_that_is_accepted_less_does_not_look_like_a_setting_that_is() -> None:
    """Simpson: setting x drew mostly class b, which readers reject; within each class the settings are alike."""
    drawn, classes, verdicts = [], [], []
    for setting, label, approved, rejected in [
        ("x", "a", 9, 1),
        ("x", "b", 10, 40),
        ("y", "a", 45, 5),
        ("y", "b", 2, 8),
    ]:
        drawn += [setting] * (approved + rejected)
        classes += [label] * (approved + rejected)
        verdicts += [APPROVED] * approved + [REJECTED] * rejected
    x, _ = acceptance_odds(Grouping("guidance_scale", None, drawn), classes, verdicts)
    assert x.ratio.value == pytest.approx(1.0)
    assert (x.approved, x.rejected) == (19, 41)


def test_an_empty_cell_gets_a_half_and_says_so_and_the_unread_do_not_count() -> None:
    levels = repeated(a=10, b=10, c=3)
    verdicts = [APPROVED] * 10 + [APPROVED] * 5 + [REJECTED] * 5 + [UNRESOLVED, None, None]
    a, b = acceptance_odds(Grouping("g", None, levels), ["k"] * 23, verdicts)
    assert a.ratio.value == pytest.approx((10.5 * 5.5) / (0.5 * 5.5))
    assert "0.5 added" in a.note
    assert np.isfinite([a.ratio.low, a.ratio.high, b.ratio.low, b.ratio.high]).all()


def test_where_every_image_was_approved_there_are_no_odds() -> None:
    rows = acceptance_odds(Grouping("g", None, repeated(a=4, b=4)), ["k"] * 8, [APPROVED] * 8)
    assert [row.ratio for row in rows] == [None, None]
    assert "nothing to compare" in rows[0].note


def blobs(seed: int, sizes: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(size=(n, 8)) * 0.3 + 4 * np.eye(8)[place] for place, n in enumerate(sizes)])


def test_modes_are_found_the_largest_first_the_same_each_time() -> None:
    features = blobs(0, (50, 40, 30))
    modes, again = find_modes(features, seed=5), find_modes(features, seed=5)
    assert len(modes.centres) == 4
    assert np.array_equal(modes.assigned, again.assigned)
    assert sorted(np.bincount(modes.assigned), reverse=True) == np.bincount(modes.assigned).tolist()
    assert np.array_equal(modes.nearest(features), modes.assigned)
    assert [modes.assigned[place] for place in modes.medoids] == list(range(len(modes.centres)))
    assert modes.stability is not None


@pytest.mark.parametrize(("n", "k"), [(20, 1), (59, 1), (60, 2), (150, 5), (900, 8)])
def test_the_number_of_modes_follows_its_rule(n: int, k: int) -> None:
    assert len(find_modes(np.random.default_rng(n).normal(size=(n, 4)), seed=0).centres) == k


def test_a_covariate_becomes_levels() -> None:
    ages = levels_of([20, 30, 40, 50, 60, 70, None])
    assert len(set(ages)) == 4
    assert ages[-1] == "unknown"
    sexes = levels_of(["F"] * 12 + ["M"] * 11 + ["X"] * 2)
    assert set(sexes) == {"F", "M", "other"}
