"""Halves of training images share nothing, are of one size, and fall alike in every arm."""

from pathlib import Path

import numpy as np
import pytest

from curation.errors import BadInput
from tests.train.snapshots import write_snapshot
from train.evaluation.intervals import halves_interval
from train.study.draws import choose_half, halved, unit_of

SIZES = {"train": 10, "validation": 2, "test": 2}


def test_two_halves_share_nothing_and_together_are_everything(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "arm", SIZES, synthetic=["upper", "lower", "lower"] * 4, duplicates=3)
    whole = folder.rows("train")
    for pair in (0, 1, 7):
        first, second = (halved(folder, 2 * pair + side) for side in (0, 1))
        rows = first.rows("train"), second.rows("train")
        units = [{unit_of(row) for row in half} for half in rows]
        assert not units[0] & units[1]
        assert sorted(row.file_name for half in rows for row in half) == sorted(row.file_name for row in whole)
        assert abs(len(units[0]) - len(units[1])) <= 1
        assert first.rows("test") == folder.rows("test")
        assert len({folder.digest, first.digest, second.digest}) == 3
    assert choose_half(whole, 0) != choose_half(whole, 2)


def test_what_two_arms_share_falls_into_the_same_half(tmp_path: Path) -> None:
    alone = write_snapshot(tmp_path / "alone", SIZES)
    more = write_snapshot(tmp_path / "more", SIZES, synthetic=["upper", "lower"] * 3)
    real = [row.file_name for row in halved(alone, 3).rows("train")]
    assert [row.file_name for row in halved(more, 3).rows("train") if row.origin == "real"] == real


def test_a_class_of_one_subject_cannot_be_halved(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "few", {"train": 2, "validation": 2, "test": 2})
    with pytest.raises(BadInput, match=r"a half would have no training image of .*--no-redraw"):
        halved(folder, 0)


@pytest.mark.parametrize("n_pairs", [1, 5, 25])
def test_pairs_of_independent_halves_give_the_variance_of_their_mean(n_pairs: int) -> None:
    # What a half gives is the mean of its 20 units, so every pair has the mean of all 40 and its variance is 1 / 40.
    random = np.random.default_rng(0)
    variances = []
    for _ in range(1_500):
        units = random.normal(size=40)
        orders = [random.permutation(units) for _ in range(n_pairs)]
        values = np.array([half.mean() for order in orders for half in (order[:20], order[20:])])
        none = np.full(10, values.mean())
        variances.append(halves_interval(values, none, 100, 40, 0.95, (-9, 9)).seed_variance)
    assert np.mean(variances) == pytest.approx(1 / 40, rel=0.15)


def test_where_nothing_varies_the_interval_has_a_width() -> None:
    interval = halves_interval(np.ones(10), np.ones(100), 50, 40, 0.95, (0, 1))
    assert (interval.value, interval.high) == (1, 1)
    assert interval.low == pytest.approx(0.025 ** (1 / 50))
