"""Any images and recipe: one choice, no subject in two splits, every cap respected."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.project import Project
from curation.snapshots.caps import balanced_size, largest_for_share
from curation.snapshots.weighing import group_weights
from curation.tables.images import Split
from tests.curation.snapshots.mixes import (
    ACCEPT,
    REJECT,
    UNSURE,
    Mix,
    MixRecipe,
    Real,
    Spec,
    Synthetic,
    readings_of,
    taken,
    write_mix,
)

pytestmark = pytest.mark.soak

SOAK = os.environ.get("ROUNDS_SOAK") == "1"
EXAMPLES = settings(
    max_examples=200 if SOAK else 12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
VERDICTS = st.lists(st.sampled_from([ACCEPT, ACCEPT, REJECT, UNSURE]), max_size=3)
SCREENING = st.sampled_from(["pass", "flag", "block", None])
Make = Callable[[Path], Project]


@st.composite
def mixes(draw: st.DrawFn) -> list[Spec]:
    """A training image of class a at least, other real ones, subjects with several images, drawn and read ones."""
    splits = draw(st.lists(st.sampled_from(list(Split)), max_size=10))
    reals = [Real(1), *(Real(2 + n, ((draw(st.sampled_from("abc")), 1.0),), one) for n, one in enumerate(splits))]
    again = draw(st.lists(st.sampled_from(reals), max_size=3))
    more = [Real(50 + n, one.labels, one.split, f"s{one.number}") for n, one in enumerate(again)]
    drawn = [
        Synthetic(
            100 + n,
            draw(st.sampled_from("abc")),
            draw(st.sampled_from(["gen", "other"])),
            readings_of(*draw(VERDICTS)),
            draw(SCREENING),
            copy=draw(st.integers(0, 9)) == 0,
        )
        for n in range(draw(st.integers(0, 12)))
    ]
    return [*reals, *more, *drawn]


RECIPES = st.fixed_dictionaries(
    {"synthetic": st.sampled_from(["approved", "raw", "none"]), "seed": st.integers(0, 3)},
    optional={
        "max_ratio": st.sampled_from([0.2, 0.5, 1.0, 2.0]),
        "real_per_class": st.integers(1, 3),
        "min_agreement": st.sampled_from([0.5, 0.7, 1.0]),
        "max_per_generator": st.integers(1, 4),
        "max_generator_share": st.sampled_from([0.5, 0.6, 0.8]),
        "balance": st.sampled_from(["none", "cap", "weights"]),
        "screening": st.sampled_from([{"admit": "flag"}, {"admit": "pass"}]),
        "weights": st.just({"origins": {"synthetic": 0.5}, "normalise": True}),
    },
)


def chosen(make: Make, specs: Sequence[Spec], *recipes: dict[str, object]) -> list[Mix]:
    """The mix of each recipe, in a project of its own."""
    with tempfile.TemporaryDirectory() as directory:
        project = make(Path(directory) / "project")
        write_mix(project, specs)
        mixes = [taken(project, **recipe) for recipe in recipes]
        project.database.dispose()
    return mixes


@pytest.mark.slow
@EXAMPLES
@given(specs=mixes(), recipe=RECIPES, random=st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order_of_rows(
    make_project: Make, specs: list[Spec], recipe: dict[str, object], random: Random
) -> None:
    shuffled = list(specs)
    random.shuffle(shuffled)
    (one,), (other,) = chosen(make_project, specs, recipe), chosen(make_project, shuffled, recipe)
    assert one.rows == other.rows
    assert (one.digest, one.left_out, one.refused) == (other.digest, other.left_out, other.refused)


@pytest.mark.slow
@EXAMPLES
@given(specs=mixes(), recipe=RECIPES)
def test_no_subject_is_in_two_splits_and_every_cap_holds(
    make_project: Make, specs: list[Spec], recipe: dict[str, object]
) -> None:
    (mix,) = chosen(make_project, specs, recipe)
    splits = {(row[3], row[0]) for row in mix.rows if row[3] is not None}
    assert len(splits) == len({subject for subject, _ in splits})
    assert {row[2] for row in mix.rows if row[0] != "train"} <= {"real"}
    assert all(not spec.copy for spec in specs if isinstance(spec, Synthetic) and spec.number in mix.added)
    train = [row for row in mix.rows if row[0] == "train"]
    real, added = (sum(row[2] == origin for row in train) for origin in ("real", "synthetic"))
    asked = MixRecipe.model_validate(recipe)
    if asked.max_ratio is not None:
        assert added <= asked.max_ratio * real + 1e-9
    of_generator = Counter(row[6] for row in train if row[2] == "synthetic")
    if asked.max_per_generator is not None:
        assert max(of_generator.values(), default=0) <= asked.max_per_generator
    if asked.max_generator_share is not None:
        assert max(of_generator.values(), default=0) <= asked.max_generator_share * added + 1e-9
    if asked.balance == "cap":
        assert mix.refused or len(set(Counter(row[1] for row in train).values())) == 1
    if asked.balance == "weights":
        totals = Counter[str]()
        for row in train:
            totals[row[1]] += row[5]
        assert all(total == pytest.approx(max(totals.values())) for total in totals.values())
    if asked.weights.normalise:
        assert sum(row[5] for row in train) == pytest.approx(len(train))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("looser", "stricter"),
    [
        ({}, {"min_agreement": 0.6}),
        ({"min_agreement": 0.6}, {"min_agreement": 1.0}),
        ({"synthetic": "raw"}, {"synthetic": "approved"}),
        ({"synthetic": "raw"}, {"synthetic": "none"}),
        ({"synthetic": "raw"}, {"synthetic": "raw", "screening": {"admit": "flag"}}),
        ({"synthetic": "raw", "screening": {"admit": "flag"}}, {"synthetic": "raw", "screening": {"admit": "pass"}}),
        ({"synthetic": "raw", "max_ratio": 1.0}, {"synthetic": "raw", "max_ratio": 0.4}),
        ({"synthetic": "raw", "max_per_generator": 3}, {"synthetic": "raw", "max_per_generator": 2}),
        ({"synthetic": "raw"}, {"synthetic": "raw", "classes": ["a", "b"]}),
        ({"synthetic": "raw"}, {"synthetic": "raw", "balance": "cap"}),
        ({"synthetic": "raw"}, {"synthetic": "raw", "max_generator_share": 0.6}),
        ({"synthetic": "none", "real_per_class": 2}, {"synthetic": "none", "real_per_class": 1}),
    ],
    ids=str,
)
@settings(EXAMPLES, max_examples=60 if SOAK else 3)
@given(specs=mixes())
def test_a_stricter_recipe_takes_a_part_of_what_the_looser_takes(
    make_project: Make, looser: dict[str, object], stricter: dict[str, object], specs: list[Spec]
) -> None:
    more, fewer = chosen(make_project, specs, looser, stricter)
    assert fewer.numbers <= more.numbers


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=5), st.floats(0.05, 3))
def test_the_balanced_size_is_the_largest_that_images_and_ratio_allow(
    counts: list[tuple[int, int]], ratio: float
) -> None:
    def holds(size: int) -> bool:
        added = sum(max(0, size - real) for real, _ in counts)
        return added <= ratio * sum(min(size, real) for real, _ in counts)

    largest = min(real + extra for real, extra in counts)
    assert balanced_size(counts, ratio) == max(size for size in range(largest + 1) if holds(size))
    assert balanced_size(counts, None) == largest


@given(st.dictionaries(st.integers(1, 9), st.integers(1, 40), max_size=5), st.floats(0.05, 1))
def test_the_cap_for_a_share_is_the_largest_under_which_the_share_holds(counts: dict[int, int], share: float) -> None:
    def holds(most: int) -> bool:
        given_ = [min(count, most) for count in counts.values()]
        return max(given_, default=0) <= share * sum(given_) + 1e-9

    sizes = range(max(counts.values(), default=0) + 1)
    assert largest_for_share(counts, share) == max(size for size in sizes if holds(size))


GROUPS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["real", "synthetic"])), st.integers(1, 99), min_size=1
)


@pytest.mark.slow
@given(GROUPS, st.floats(0.1, 9), st.booleans())
def test_evened_weights_give_every_class_the_same_total(
    counts: dict[tuple[str, str], int], synthetic: float, normalise: bool
) -> None:
    recipe = MixRecipe.model_validate(
        {"balance": "weights", "weights": {"origins": {"synthetic": synthetic}, "normalise": normalise}}
    )
    weights = group_weights(counts, recipe)
    totals = Counter[str]()
    for (label, origin), count in counts.items():
        totals[label] += count * weights[label, origin]
    assert max(totals.values()) == pytest.approx(min(totals.values()))
