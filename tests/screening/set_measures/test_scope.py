"""A scope's measures: which Fréchet distances are given, of which features, and why one is left out."""

import numpy as np
import pytest

from screening.set_measures.distances import frechet_distance
from screening.set_measures.scope import ImageSet, ScopeMeasure, measure_scope

N, WIDTH, CLASS_TOKEN = 40, 60, 20


@pytest.fixture(scope="module")
def sides() -> dict[str, ImageSet]:
    """Real, held-out and generated images with more features than images; the generated ones are shifted."""
    random = np.random.default_rng(0)
    shifts = {"real": 0.0, "held_out": 0.0, "drawn": 0.5}
    return {
        name: ImageSet(random.normal(shift, 1, (N, WIDTH)), random.normal(size=(N, 8)))
        for name, shift in shifts.items()
    }


def frechet_measures(sides: dict[str, ImageSet], class_token: int | None) -> dict[str, ScopeMeasure]:
    every_real = sides["real"].features
    measures = measure_scope(**sides, every_real=every_real, resamples=20, seed=0, class_token=class_token)
    return {measure.key: measure for measure in measures if measure.key.startswith("frechet")}


def test_the_class_token_has_a_frechet_distance_of_its_own_where_all_features_are_too_many(
    sides: dict[str, ImageSet],
) -> None:
    measures = frechet_measures(sides, CLASS_TOKEN)
    assert "40 images do not exceed the 60" in measures["frechet"].note
    measure = measures["frechet_class_token"]
    assert measure.name == "Fréchet distance, class token"
    for side, name in (("value", "drawn"), ("floor", "held_out")):
        expected = frechet_distance(sides["real"].features[:, :CLASS_TOKEN], sides[name].features[:, :CLASS_TOKEN])
        assert getattr(measure, side).value == pytest.approx(expected)
    assert measure.better == "less"
    assert measure.excess is not None
    assert measure.excess.value > 0


def test_a_backbone_without_a_class_token_has_no_such_distance(sides: dict[str, ImageSet]) -> None:
    assert frechet_measures(sides, None).keys() == {"frechet", "frechet_components"}


def test_a_class_token_wider_than_the_set_has_a_reason_in_place_of_a_value(sides: dict[str, ImageSet]) -> None:
    measure = frechet_measures(sides, N)["frechet_class_token"]
    assert measure.value is None
    assert "40 images do not exceed the 40" in measure.note
