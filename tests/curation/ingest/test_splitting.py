"""Drawn splits: near their shares, each label in proportion, the same for any order of the input."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.ingest.splitting import SHARES, draw_splits
from curation.models.images import Split

strata = st.dictionaries(st.text(min_size=1, max_size=6), st.sampled_from(["normal", "ring", "infarct"]), min_size=1)


@pytest.mark.slow
@given(strata, st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_draw_does_not_depend_on_the_order_of_the_input(
    units: dict[str, str], seed: int, order: random.Random
) -> None:
    shuffled = list(units.items())
    order.shuffle(shuffled)
    assert draw_splits(dict(shuffled), seed) == draw_splits(units, seed)


@given(st.integers(10, 400), st.integers(0, 9), st.integers(1, 20))
def test_the_whole_and_every_label_come_near_their_shares(count: int, seed: int, rarity: int) -> None:
    units = {f"subject-{number}": "rare" if number % rarity == 0 else "usual" for number in range(count)}
    drawn = draw_splits(units, seed)
    for stratum in ("rare", "usual", None):
        members = [split for unit, split in drawn.items() if stratum in (None, units[unit])]
        counts = Counter(members)
        for split in Split:
            assert abs(counts[split] - SHARES[split] * len(members)) <= 2


def test_another_seed_draws_another_split() -> None:
    units = {f"subject-{number}": "normal" for number in range(40)}
    assert draw_splits(units, 0) != draw_splits(units, 1)


def test_many_labels_of_one_subject_each_still_fill_every_split() -> None:
    counts = Counter(draw_splits({f"subject-{n}": f"label-{n}" for n in range(100)}, 0).values())
    assert counts == {Split.TRAIN: 60, Split.VALIDATION: 15, Split.TEST: 15, Split.RESERVE: 10}
