"""The shipped backbone is small, whole, and saw only reserved subjects."""

import json

import numpy as np
import pytest
from transformers import ViTModel

from curation.ingest.virtual_brains.render import SHIPPED_RANGE, render
from train.backbones.load import Backbone, weights_digest
from train.backbones.shipped import SHIPPED_BACKBONE
from train.pretraining.recipe import PretrainRecipe

CARD = json.loads((SHIPPED_BACKBONE / "card.json").read_text())


def test_the_shipped_backbone_is_small_whole_and_loads_with_stock_transformers() -> None:
    assert sum(path.stat().st_size for path in SHIPPED_BACKBONE.iterdir()) < 25_000_000
    assert CARD["digest"] == weights_digest(SHIPPED_BACKBONE)
    assert ViTModel.from_pretrained(SHIPPED_BACKBONE, add_pooling_layer=False).config.hidden_size == 128


def test_it_saw_only_subjects_that_can_never_be_held_out() -> None:
    subjects = CARD["fitted_on"]["subjects"]
    assert len(subjects) == CARD["fitted_on"]["n_images"] == 6000
    assert all(int(subject.removeprefix("vb-")) in SHIPPED_RANGE for subject in subjects)


def test_it_was_made_by_the_recipe_beside_it_and_says_that_the_data_are_simulated() -> None:
    recipe = SHIPPED_BACKBONE.with_name("virtual-brains-vit.recipe.json")
    assert CARD["recipe"] == PretrainRecipe.parse(recipe.read_text()).model_dump(mode="json")
    assert recipe.name in CARD["made_by"]
    assert "SIMULATED" in CARD["notice"]


@pytest.mark.slow
def test_its_features_of_virtual_subjects_are_finite_and_differ() -> None:
    pixels = np.stack([render(number).pixels for number in range(6)])[..., None]
    features = Backbone.load(SHIPPED_BACKBONE).features(pixels)
    assert features.shape == (6, 512)
    assert np.isfinite(features).all()
    assert np.unique(features.round(3), axis=0).shape[0] == 6
