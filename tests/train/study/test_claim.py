"""A gain is claimed only when nothing speaks against it; each hole that was found is an attack here."""

from collections.abc import Callable
from typing import Any

import pytest

from curation.progress import silent
from curation.provenance.public_web import OVERLAP
from tests.train.study.claims import clear_gain, interval
from tests.train.study.test_study import build_arms, plan
from train.study.claim import reasons_against_a_claim
from train.study.plan import ReportFacts
from train.study.report import state_conclusion
from train.study.run import run_study

READ = ReportFacts(human_readings=9)
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of a small study."""
    directory = tmp_path_factory.mktemp("claimed")
    return run_study(build_arms(directory), plan(directory), directory / "study", silent).as_json()


@pytest.fixture
def result(measured: dict[str, Any]) -> dict[str, Any]:
    """A result that supports a claim."""
    return clear_gain(measured)


def test_a_gain_is_stated_only_when_nothing_speaks_against_it(result: dict[str, Any]) -> None:
    sentence = state_conclusion(result, READ)
    assert sentence.startswith("In this study plus_approved reached")
    assert "+0.050 (+0.020 to +0.080)" in sentence
    assert OVERLAP not in sentence
    on_web = result | {"public_web": ["backbone x"]}
    assert sentence.removesuffix(".") in state_conclusion(on_web, READ)
    assert state_conclusion(on_web, READ).endswith(f"public web images: {OVERLAP}.")


def difference(result: dict[str, Any], value: float, low: float, high: float) -> None:
    result["arms"]["plus_approved"]["differences"]["auroc"] = interval(value, low, high)


def against(result: dict[str, Any], arm: str, low: float) -> None:
    result["against"][arm] |= {"low": low}


@pytest.mark.parametrize(
    ("change", "facts", "reason"),
    [
        (lambda result: None, {"human_readings": 0}, "no person has read"),
        (lambda result: None, {"proxy_readings": 1}, "proxy readers"),
        (lambda result: None, {"grid_readings": 1}, "whole pages of a grid"),
        (lambda result: result.update(notice="SIMULATED from one template"), {}, "the data are SIMULATED"),
        (lambda result: result.update(resampled="image"), {}, "subjects are unknown"),
        (lambda result: result.update(unknown_provenance=["backbone x"]), {}, "provenance of backbone x is unknown"),
        (lambda result: difference(result, 0.01, -0.01, 0.03), {}, "the interval includes 0"),
        (lambda result: difference(result, -0.05, -0.08, -0.02), {}, "the difference is a loss"),
        (lambda result: difference(result, float("nan"), float("nan"), float("nan")), {}, "is not finite"),
        (lambda result: against(result, "plus_random", -0.01), {}, "not above plus_random (+0.040, -0.010 to +0.070)"),
        (lambda result: against(result, "plus_duplicated_real", 0.0), {}, "not above plus_duplicated_real"),
        (lambda result: result["against"].clear(), {}, "compare with plus_random and plus_duplicated_real"),
        (lambda result: result["plan"].update(seeds=[0, 1]), {}, "2 replicates are fewer than 5"),
        (lambda result: result["plan"].pop("redraw"), {}, "drew neither training subjects nor synthetic images"),
        (lambda result: result["plan"].update(confidence=0.51), {}, "intervals are of 51%, below 95%"),
        (
            lambda result: result["plan"].update(split="validation"),
            {},
            "validation split, which is also used to choose",
        ),
        (lambda result: result.update(units_per_class={"upper": 1, "lower": 30}), {}, "1 of upper; 20 needed"),
        (lambda result: result.update(earlier_openings=9), {}, "opened 9 times before"),
    ],
)
def test_every_hole_stops_a_claim(result: dict[str, Any], change: Change, facts: dict[str, int], reason: str) -> None:
    change(result)
    sentence = state_conclusion(result, ReportFacts(**{"human_readings": 9} | facts))
    assert sentence.startswith("No gain is claimed:")
    assert reason in sentence
    assert sentence.count(". ") == 0


def test_another_primary_arm_is_no_claim_of_curation(result: dict[str, Any]) -> None:
    result["plan"]["primary"] = "plus_raw"
    result["arms"]["plus_raw"]["differences"]["auroc"] = interval(0.05, 0.02, 0.08)
    assert "its primary arm is plus_raw, not plus_approved" in reasons_against_a_claim(result, READ)


def test_a_second_opening_asks_for_half_of_the_error(result: dict[str, Any]) -> None:
    result["earlier_openings"] = 1
    assert reasons_against_a_claim(result, READ) == []  # the lower bounds at 97.5 % are above 0
    difference(result, 0.05, 0.002, 0.098)
    (reason,) = reasons_against_a_claim(result, READ)
    assert "at the share of the error that is left (97.5% intervals) no gain is left" in reason


def test_an_effect_of_interest_is_excluded_or_not(result: dict[str, Any]) -> None:
    difference(result, 0.0, -0.02, 0.02)
    assert "A gain of" not in state_conclusion(result, READ)
    result["plan"]["smallest_effect"] = 0.03
    assert state_conclusion(result, READ).endswith(" A gain of 0.03 or more is excluded.")
    result["plan"]["smallest_effect"] = 0.01
    assert state_conclusion(result, READ).endswith(" A gain of 0.01 or more is not excluded.")
