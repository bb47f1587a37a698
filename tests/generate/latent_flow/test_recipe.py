"""A recipe that cannot be fitted is refused when it is read, with the entry and what was expected."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from curation.errors import BadInput
from generate.latent_flow.fit import check_networks, fit_generator
from generate.latent_flow.recipe import FitRecipe
from generate.pipelines.autoencoder import ImageAutoencoder
from tests.generate.folders import tiny_recipe, write_folder
from train.pretraining.recipe import PretrainRecipe

CASE_11 = {
    "seed": 1, "checkpoint_every": 10, "grid_every": 1000,
    "autoencoder": {"steps": 20, "batch_size": 8, "learning_rate": 0.001, "warmup_steps": 5,
                    "block_out_channels": [8, 16], "layers_per_block": 1},
    "flow": {"steps": 20, "batch_size": 8, "learning_rate": 0.001, "warmup_steps": 5, "block_out_channels": [16, 32],
             "layers_per_block": 1, "attention_head_dim": 64},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (CASE_11, "attention_head_dim 64 is more than the 32 channels of the lowest level"),
        ({"flow": {"block_out_channels": [16, 16]}}, "attention_head_dim 32 is more than the 16 channels"),
        (
            {"flow": {"block_out_channels": [8, 32]}},
            "flow.block_out_channels: expected more channels than the 8 groups",
        ),
        ({"flow": {"block_out_channels": [32]}}, "flow.block_out_channels"),
        ({"autoencoder": {"block_out_channels": [12, 16]}}, "autoencoder.block_out_channels: expected multiples of 8"),
        ({"canvas": 30}, "canvas: expected a multiple of 8, .* got 30"),
        ({"flow": {"learning_rate": float("nan")}}, "flow.learning_rate: .*finite number"),
        ({"flow": {"weight_decay": float("inf")}}, "flow.weight_decay: .*finite number"),
        ({"autoencoder": {"learning_rate": -1e-3}}, "autoencoder.learning_rate: .*greater than 0"),
        ({"flow": {"batch_size": 0}}, "flow.batch_size: .*greater than 0"),
        ({"flow": {"heads": 4}}, "flow.heads: Extra inputs are not permitted"),
    ],
)
def test_an_entry_that_cannot_be_fitted_is_named(changes: dict[str, Any], named: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps(changes))
    with pytest.raises(BadInput, match=named):
        FitRecipe.read(tmp_path / "recipe.json")


def test_networks_that_cannot_be_made_are_refused_before_the_first_phase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "snapshot")
    check_networks(folder, tiny_recipe())
    recipe = tiny_recipe()
    channels = {"block_out_channels": (12, 16)}
    broken = recipe.model_copy(update={"autoencoder": recipe.autoencoder.model_copy(update=channels)})
    monkeypatch.setattr("generate.latent_flow.fit.fit_autoencoder", lambda *_: pytest.fail("the first phase ran"))
    with pytest.raises(BadInput, match="the networks of the recipe cannot be made"):
        fit_generator(folder, broken, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"decoder_hidden_size": 20, "decoder_num_heads": 3}, "decoder_hidden_size must divide by decoder_num_heads"),
        ({"image_size": 8, "patch_size": 8}, "mask_ratio 0.75 of 1 patches hides all or none"),
        ({"learning_rate": float("inf")}, "learning_rate: .*finite number"),
    ],
)
def test_a_recipe_of_pretraining_is_checked_in_itself_too(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadInput, match=named):
        PretrainRecipe.checked(name="v", steps=1, **changes)


def test_a_latent_channel_that_does_not_vary_has_scale_one() -> None:
    model = ImageAutoencoder(block_out_channels=(8, 8), layers_per_block=1, latent_channels=3)
    latents = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    latents[:, 2] = 7.0
    assert model.normalise(latents) == 1
    assert model.latent_std.flatten()[2] == 1.0
    assert torch.isfinite((latents - model.latent_mean) / model.latent_std).all()
