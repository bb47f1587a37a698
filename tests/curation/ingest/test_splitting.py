"""Drawn splits: near their shares, each label in proportion, the same for any order of the input."""

import hashlib
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.ingest.splitting import SHARES, draw_splits
from curation.tables.images import Split
from tests.curation.ingest.plain_intake import in_order


def _drawn(units: dict[str, str], seed: int) -> dict[str, Split]:
    return dict(draw_splits(in_order(units, seed)))


strata = st.dictionaries(st.text(min_size=1, max_size=6), st.sampled_from(["normal", "ring", "infarct"]), min_size=1)


@pytest.mark.slow
@given(strata, st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_draw_does_not_depend_on_the_order_of_the_input(
    units: dict[str, str], seed: int, order: random.Random
) -> None:
    shuffled = list(units.items())
    order.shuffle(shuffled)
    assert _drawn(dict(shuffled), seed) == _drawn(units, seed)


@given(st.integers(10, 400), st.integers(0, 9), st.integers(1, 20))
def test_the_whole_and_every_label_come_near_their_shares(count: int, seed: int, rarity: int) -> None:
    units = {f"subject-{number}": "rare" if number % rarity == 0 else "usual" for number in range(count)}
    splits = _drawn(units, seed)
    for stratum in ("rare", "usual", None):
        members = [split for unit, split in splits.items() if stratum in (None, units[unit])]
        counts = Counter(members)
        for split in Split:
            assert abs(counts[split] - SHARES[split] * len(members)) <= 2


def test_another_seed_draws_another_split() -> None:
    units = {f"subject-{number}": "normal" for number in range(40)}
    assert _drawn(units, 0) != _drawn(units, 1)


def test_many_labels_of_one_subject_each_still_fill_every_split() -> None:
    counts = Counter(_drawn({f"subject-{n}": f"label-{n}" for n in range(100)}, 0).values())
    assert counts == {Split.TRAIN: 60, Split.VALIDATION: 15, Split.TEST: 15, Split.RESERVE: 10}


def test_a_seed_draws_what_it_always_drew() -> None:
    shown = ("normal", "ring", "infarct", "ring, infarct")
    units = {f"subject-{n}": shown[(n * n) % 4 if n % 5 else 3] for n in range(300)}
    lines = "".join(f"{unit}:{split}\n" for unit, split in sorted(_drawn(units, 7).items()))
    digest = hashlib.sha256(lines.encode()).hexdigest()
    assert digest == "b1e478b0e9bf451d34ff0a925a827186060cde6dbc953ca40f59b5325d1f820b"
