"""Pretraining saves a stock encoder with a card, and resumes to equal weights."""

import json
from pathlib import Path

import pytest
import torch
from transformers import ViTModel

from curation.errors import BadInput, Conflict
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.train.snapshots import write_snapshot
from train.backbones.load import Backbone, weights_digest
from train.pretraining.masked_autoencoder import make_masked_autoencoder
from train.pretraining.pretrain import pretrain_backbone
from train.pretraining.recipe import PretrainRecipe

RECIPE = PretrainRecipe(
    name="tiny", image_size=32, patch_size=8, hidden_size=24, num_layers=2, num_heads=2, decoder_hidden_size=16,
    decoder_num_layers=1, decoder_num_heads=2, steps=12, batch_size=8, warmup_steps=2, held_out=4, checkpoint_every=4,
)  # fmt: skip


class Killed(Exception):
    pass


def pretrain(tmp_path: Path, out: str, recipe: PretrainRecipe = RECIPE, kill_at: int | None = None) -> Path:
    folder_path = tmp_path / "snapshot"
    if not folder_path.exists():
        write_snapshot(folder_path, {"train": 12, "validation": 2, "test": 2})

    def progress(done: int, total: int, message: str) -> None:
        if done == kill_at:
            raise Killed

    folder = SnapshotFolder.open(folder_path)
    made_by = "rounds backbone pretrain"
    return pretrain_backbone(folder, recipe, tmp_path / out, progress, made_by, "today", from_nothing=True)


def test_the_encoder_loads_with_stock_transformers_and_with_our_loader(tmp_path: Path) -> None:
    out = pretrain(tmp_path, "vit")
    model = ViTModel.from_pretrained(out, add_pooling_layer=False)
    backbone = Backbone.load(out)
    assert backbone.pooling == "tokens-statistics+1"
    assert backbone.dimension == 4 * 24
    for ours, theirs in zip(backbone.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.slow
def test_the_card_lists_what_the_weights_saw_and_nothing_held_out(tmp_path: Path) -> None:
    out = pretrain(tmp_path, "vit")
    card = json.loads((out / "card.json").read_text())
    assert card["fitted_on"]["n_images"] == 24
    assert len(card["fitted_on"]["pixel_sha256"]) == 24
    assert all(subject.startswith("train-") for subject in card["fitted_on"]["subjects"])
    assert card["digest"] == weights_digest(out)
    assert [loss["step"] for loss in card["losses"]] == [4, 8, 12]
    report = json.loads((out / "pretraining.json").read_text())
    assert (report["backbone"], report["objective"], report["word"]) == (None, "masked-autoencoding", card["word"])
    assert set(report["probe"]) >= {"before", "after", "difference"}
    assert not (out / "fit").exists()


@pytest.mark.slow
def test_a_fit_killed_and_resumed_gives_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    whole = pretrain(tmp_path, "whole")
    with pytest.raises(Killed):
        pretrain(tmp_path, "resumed", kill_at=7)
    resumed = pretrain(tmp_path, "resumed")
    assert (whole / "model.safetensors").read_bytes() == (resumed / "model.safetensors").read_bytes()
    assert json.loads((whole / "card.json").read_text()) == json.loads((resumed / "card.json").read_text())


@pytest.mark.slow
def test_the_losses_of_a_recipe_stay_what_they_were(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"steps": 30, "checkpoint_every": 7, "warmup_steps": 9, "seed": 5})
    losses = json.loads((pretrain(tmp_path, "vit", recipe) / "card.json").read_text())["losses"]
    assert [loss["step"] for loss in losses] == [7, 14, 21, 28, 30]
    assert [loss["train"] for loss in losses] == pytest.approx([1.13196, 1.09704, 1.07402, 1.06453, 1.06379], rel=1e-3)
    held_out = [1.11709, 1.08405, 1.06907, 1.06570, 1.06563]
    assert [loss["held_out"] for loss in losses] == pytest.approx(held_out, rel=1e-3)


def test_the_unfinished_fit_of_another_recipe_or_an_earlier_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        pretrain(tmp_path, "vit", kill_at=4)
    with pytest.raises(Conflict, match="another recipe or of other images"):
        pretrain(tmp_path, "vit", RECIPE.model_copy(update={"seed": 1}))
    torch.save({"recipe": RECIPE.digest(), "step": 4, "losses": []}, tmp_path / "vit" / "fit" / "checkpoint.pt")
    with pytest.raises(Conflict, match="earlier version"):
        pretrain(tmp_path, "vit")


@pytest.mark.slow
def test_a_finished_fit_is_left_alone_and_another_recipe_is_refused(tmp_path: Path) -> None:
    out = pretrain(tmp_path, "vit")
    written = (out / "model.safetensors").stat().st_mtime_ns
    assert pretrain(tmp_path, "vit") == out
    assert (out / "model.safetensors").stat().st_mtime_ns == written
    with pytest.raises(Conflict, match="another recipe"):
        pretrain(tmp_path, "vit", RECIPE.model_copy(update={"seed": 1}))


@pytest.mark.slow
def test_training_lowers_the_held_out_loss(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"steps": 120, "checkpoint_every": 20, "learning_rate": 3e-3})
    card = json.loads((pretrain(tmp_path, "vit", recipe) / "card.json").read_text())
    assert card["losses"][-1]["held_out"] < card["losses"][0]["held_out"]


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="more than 24 real training images, got 24"):
        pretrain(tmp_path, "vit", RECIPE.model_copy(update={"held_out": 24}))


def test_few_images_are_no_start_from_nothing_unless_it_is_forced(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "snapshot", {"train": 12, "validation": 2, "test": 2})
    with pytest.raises(BadInput, match=r"expected 30,000 real training images or more .* got 24.*--from-nothing"):
        pretrain_backbone(folder, RECIPE, tmp_path / "out", silent, "made by", "today")
    assert not (tmp_path / "out").exists()


def test_positions_are_set_although_the_library_leaves_them_at_zero() -> None:
    model = make_masked_autoencoder(RECIPE)
    tables = (model.vit.embeddings.position_embeddings[0], model.decoder.decoder_pos_embed[0])
    for table in tables:
        assert len({tuple(row) for row in table[1:].tolist()}) == 16
        assert not table[0].any()
