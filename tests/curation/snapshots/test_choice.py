"""Each part of a recipe takes what it says, leaves out what it says, and says why."""

import pytest
from pydantic import ValidationError

from curation.errors import BadInput
from curation.project import Project
from curation.snapshots.mix import MixRecipe
from curation.tables.images import Split
from tests.curation.snapshots.mixes import (
    ACCEPT,
    REJECT,
    UNSURE,
    ReadingSpec,
    Real,
    Spec,
    Synthetic,
    readings_of,
    taken,
    write_mix,
)

REAL: list[Spec] = [
    Real(1),
    Real(2),
    Real(3, (("b", 1.0),)),
    Real(4, split=Split.TEST),
    Real(5, split=Split.VALIDATION),
]


def test_an_image_with_one_positive_label_is_taken_and_one_with_several_is_counted(project: Project) -> None:
    write_mix(
        project,
        [
            Real(1, (("a", 1.0), ("b", 0.0), ("c", 0.2))),
            Real(2, (("a", 0.9), ("b", 0.5))),
            Real(3, (("a", 0.0), ("b", 0.4))),
            Real(4, (("b", 1.0), ("c", 1.0))),
        ],
    )
    mix = taken(project, synthetic="none")
    assert [(row[1], row[4]) for row in mix.rows] == [("a", 1)]
    assert sorted(mix.left_out.values()) == [1, 2]
    assert [count for why, count in mix.left_out.items() if "several" in why] == [2]


def test_classes_of_the_recipe_decide_which_labels_count(project: Project) -> None:
    write_mix(project, [Real(1, (("a", 1.0), ("c", 1.0))), Real(2, (("a", 1.0), ("b", 1.0))), Real(3, (("c", 1.0),))])
    mix = taken(project, synthetic="none", classes=("a", "b"))
    assert [(row[1], row[4]) for row in mix.rows] == [("a", 1)]
    with pytest.raises(BadInput, match="no class named x; there are: a, b, c"):
        taken(project, synthetic="none", classes=("x",))


def test_a_corrected_class_decides_unless_the_recipe_keeps_the_one_asked_for(project: Project) -> None:
    corrected = Synthetic(11, "a", readings=(ReadingSpec(label="b"),))
    write_mix(project, [*REAL, corrected, Synthetic(12, "a", readings=(ReadingSpec(),))])
    assert [row[1] for row in taken(project).rows if row[2] == "synthetic"] in (["a", "b"], ["b", "a"])
    assert {row[1] for row in taken(project, corrected_labels=False).rows if row[2] == "synthetic"} == {"a"}
    only = taken(project, classes=("a",))
    assert only.added == [12]
    assert only.left_out["synthetic: a class the recipe leaves out"] == 1


def test_agreement_needs_two_readings_that_count_and_their_share(project: Project) -> None:
    write_mix(
        project,
        [
            *REAL,
            Synthetic(11, readings=readings_of(ACCEPT)),
            Synthetic(12, readings=readings_of(ACCEPT, ACCEPT)),
            Synthetic(13, readings=readings_of(ACCEPT, ACCEPT, REJECT)),
            Synthetic(14, readings=readings_of(ACCEPT, ACCEPT, UNSURE, ACCEPT)),
            Synthetic(15, readings=(*readings_of(ACCEPT), ReadingSpec("proxy", ACCEPT))),
        ],
    )
    assert taken(project).added == [11, 12, 13, 14, 15]
    assert taken(project, min_agreement=0.6).added == [12, 13, 14]
    assert taken(project, min_agreement=0.7).added == [12, 14]
    strict = taken(project, min_agreement=1.0)
    assert strict.added == [12]
    assert strict.left_out["synthetic: approved by one reading, agreement needs two"] == 2
    assert strict.left_out["synthetic: approved with less agreement than asked for"] == 2


def test_kinds_of_outcomes_can_be_left_out(project: Project) -> None:
    adjudicated = (*readings_of(ACCEPT, REJECT), ReadingSpec("cem", ACCEPT, adjudicates=True))
    write_mix(
        project,
        [
            *REAL,
            Synthetic(11, readings=readings_of(ACCEPT)),
            Synthetic(12, readings=adjudicated),
            Synthetic(13, readings=(ReadingSpec(mode="grid"),)),
            Synthetic(14, readings=(ReadingSpec("proxy"),)),
        ],
        rule="adjudicated",
    )
    assert taken(project).added == [11, 12, 13, 14]
    assert taken(project, outcomes="adjudicated").added == [12]
    assert taken(project, outcomes="unadjudicated").added == [11, 13, 14]
    assert taken(project, allow_grid=False).added == [11, 12, 14]
    people = taken(project, allow_proxy=False, allow_grid=False)
    assert people.added == [11, 12]
    assert people.left_out["synthetic: an outcome of a kind the recipe does not let count"] == 2


def test_screening_limits_admit_by_verdict_and_by_value(project: Project) -> None:
    write_mix(
        project,
        [
            *REAL,
            Synthetic(11, checks={"sharpness": 0.5}),
            Synthetic(12, screening="flag", checks={"sharpness": 0.1}),
            Synthetic(13, screening="block"),
            Synthetic(14, screening=None),
        ],
    )
    assert taken(project, synthetic="raw").added == [11, 12, 13, 14]
    assert taken(project, synthetic="raw", screening={"admit": "flag"}).added == [11, 12]
    passed = taken(project, synthetic="raw", screening={"admit": "pass"})
    assert passed.added == [11]
    assert passed.left_out["synthetic: not screened"] == 1
    assert passed.left_out["synthetic: screening says flag"] == 1
    limit = {"checks": [{"check": "sharpness", "at_least": 0.2}]}
    sharp = taken(project, synthetic="raw", screening=limit)
    assert sharp.added == [11]
    assert sharp.left_out["synthetic: sharpness outside the limits"] == 1
    assert sharp.left_out["synthetic: no value of sharpness"] == sharp.left_out["synthetic: not screened"] == 1


@pytest.mark.parametrize("recipe", [{}, {"synthetic": "raw"}, {"synthetic": "raw", "screening": {"admit": "any"}}])
def test_a_near_copy_enters_no_snapshot_whatever_was_read(project: Project, recipe: dict[str, object]) -> None:
    write_mix(
        project,
        [*REAL, Synthetic(11, readings=readings_of(ACCEPT)), Synthetic(12, readings=readings_of(ACCEPT), copy=True)],
    )
    mix = taken(project, **recipe)
    assert mix.added == [11]
    assert mix.left_out["synthetic: blocked as a near copy of a training image"] == 1


def test_no_generator_gives_more_than_its_count_or_its_share(project: Project) -> None:
    images: list[Spec] = [Synthetic(100 + n, "ab"[n % 2], "big") for n in range(12)]
    write_mix(project, [*REAL, *images, *(Synthetic(200 + n, "a", "small") for n in range(3))])
    by_count = taken(project, synthetic="raw", max_per_generator=4)
    assert [sum(number // 100 == which for number in by_count.added) for which in (1, 2)] == [4, 3]
    assert sorted(row[1] for row in by_count.rows if row[4] // 100 == 1) == ["a", "a", "b", "b"]
    by_share = taken(project, synthetic="raw", max_generator_share=0.6)
    assert [sum(number // 100 == which for number in by_share.added) for which in (1, 2)] == [4, 3]
    alone = taken(project, synthetic="raw", max_generator_share=0.4)
    assert "none of 2 generators may give more than 0.4" in alone.refused[0]


def test_balance_by_cap_fills_small_classes_first_with_real_images(project: Project) -> None:
    specs: list[Spec] = [Real(n) for n in range(10)] + [Real(20 + n, (("b", 1.0),)) for n in range(2)]
    write_mix(project, [*specs, *(Synthetic(100 + n, "ab"[n % 2]) for n in range(12))])
    mix = taken(project, synthetic="raw", balance="cap")
    assert (
        sorted((row[1], row[2]) for row in mix.rows)
        == [("a", "real")] * 8 + [("b", "real")] * 2 + [("b", "synthetic")] * 6
    )
    assert mix.left_out["real: cut for balance"] == 2
    held = taken(project, synthetic="raw", balance="cap", max_ratio=0.25)
    counts = [sum(row[1] == label for row in held.rows) for label in "ab"]
    assert counts == [3, 3]
    nothing = taken(project, synthetic="raw", balance="cap", classes=("a", "c"))
    assert "no balance of these training images" in nothing.refused[0]


def test_weights_multiply_by_origin_and_class_and_can_be_evened_out(project: Project) -> None:
    write_mix(project, [*REAL, Synthetic(11, "a"), Synthetic(12, "b")])
    weights = {"origins": {"synthetic": 0.5}, "classes": {"b": 4.0}}
    weights_by_number = {row[4]: row[5] for row in taken(project, synthetic="raw", weights=weights).rows}
    assert weights_by_number == {1: 1.0, 2: 1.0, 11: 0.5, 3: 4.0, 12: 2.0, 4: 1.0, 5: 1.0}
    normal = taken(project, synthetic="raw", weights=weights | {"normalise": True})
    train = [row[5] for row in normal.rows if row[0] == "train"]
    assert sum(train) / len(train) == pytest.approx(1)
    even = taken(project, synthetic="raw", weights={"origins": {"synthetic": 0.5}}, balance="weights")
    totals = {label: sum(row[5] for row in even.rows if row[:2] == ("train", label)) for label in "ab"}
    assert totals["a"] == pytest.approx(totals["b"])
    unknown = taken(project, synthetic="raw", weights={"classes": {"zebra": 2.0}})
    assert "weights for zebra" in unknown.refused[0]


def test_outcomes_that_contradict_each_other_are_named_with_their_worklists(project: Project) -> None:
    both = (*readings_of(ACCEPT, worklist="first"), *readings_of(REJECT, worklist="second"))
    two_classes = (ReadingSpec(worklist="first", label="b"), ReadingSpec(worklist="second"))
    write_mix(
        project,
        [*REAL, Synthetic(11, readings=both), Synthetic(12, readings=both), Synthetic(13, readings=two_classes)],
    )
    (refused,) = taken(project).refused
    assert "2 approved in 'first', rejected in 'second'" in refused
    assert "1 of one class in 'first', of another in 'second'" in refused
    assert taken(project, worklists=("first",)).refused == []
    assert "of one class" not in taken(project, corrected_labels=False).refused[0]


def test_what_no_outcome_admits_is_counted_by_reason(project: Project) -> None:
    write_mix(
        project,
        [
            *REAL,
            Synthetic(11, readings=readings_of(ACCEPT)),
            Synthetic(12, readings=readings_of(REJECT)),
            Synthetic(13, readings=readings_of(UNSURE)),
            Synthetic(14),
        ],
    )
    reasons = ("rejected", "unresolved", "no outcome yet")
    assert {why: count for why, count in taken(project).left_out.items() if why.startswith("synthetic")} == {
        f"synthetic: {why}": 1 for why in reasons
    }


@pytest.mark.parametrize(
    "recipe",
    [
        {"min_agreement": 0},
        {"min_agreement": 1.1},
        {"weights": {"origins": {"altered": 1}}},
        {"weights": {"classes": {"a": 0}}},
        {"screening": {"checks": [{"check": "sharpness"}]}},
        {"max_generator_share": 2},
        {"classes": ["a", "a"]},
        {"colour": "red"},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(recipe: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MixRecipe.model_validate(recipe)
