"""Measures of a stored result are known by key, also where it was stored before measures had keys."""

from curation.exports.facts.measured import SavedMeasurement, set_measures
from tests.rows import NOW

VALUE = {"value": 0.7, "low": 0.6, "high": 0.8}
FLOOR = {"value": 0.9, "low": None, "high": None}
NUMBERS = {
    "scopes / a / n": 30.0,
    "scopes / a / measures / recall / value / value": 0.7,
    "scopes / a / measures / recall / value / low": 0.6,
    "scopes / a / measures / recall / value / high": 0.8,
    "scopes / a / measures / recall / floor / value": 0.9,
}


def result(**measure: object) -> dict[str, object]:
    return {"scopes": [{"scope": "a", "n": 30, "measures": [{"value": VALUE, "floor": FLOOR, **measure}]}]}


def test_a_measure_has_its_key_its_scope_and_its_floor() -> None:
    for stored in (result(name="recall"), result(name="recall", key="recall")):
        (recall,) = set_measures(stored, NUMBERS)
        assert (recall.key, recall.name, recall.scope, recall.n) == ("recall", "recall", "a", 30)
        assert (recall.value, recall.floor, recall.excess) == ((0.7, 0.6, 0.8), (0.9, None, None), None)


def test_a_measure_whose_numbers_are_withheld_is_left_out() -> None:
    assert list(set_measures(result(name="recall"), {})) == []


def test_membership_is_told_by_its_place_not_by_its_name() -> None:
    numbers = {
        "membership / attacks / loss / auc / value": 0.5,
        "scopes / membership / measures / recall / value / value": 0.7,
    }
    saved = SavedMeasurement("set measures", "0" * 64, NOW, numbers)
    assert saved.membership_estimates() == {"membership / attacks / loss / auc": (0.5, None, None)}
