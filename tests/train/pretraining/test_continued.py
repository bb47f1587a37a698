"""Pretraining from a given backbone: a stock folder with report and card, resumed to equal weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

import train.pretraining.timing
from curation.errors import BadInput, Conflict, Diverged, LeakRefused
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.train.pretraining.networks import save_network
from tests.train.snapshots import write_snapshot
from train.backbones.load import Backbone, weights_digest
from train.fitting.timing import FitEstimate
from train.pretraining.continued_recipe import ContinuedRecipe
from train.pretraining.pretrain import pretrain_backbone

SMALL_DINO = {"kind": "self-distillation", "num_prototypes": 8, "num_local_crops": 1}


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny backbones and a snapshot with two approved synthetic images."""
    root = tmp_path_factory.mktemp("continued")
    save_network("dinov2", root / "dinov2")
    save_network("convnext", root / "convnext")
    write_snapshot(root / "snapshot", {"train": 8, "validation": 4, "test": 1}, synthetic=["upper", "lower"])
    return root


def make_recipe(world: Path, objective: dict[str, Any] | None = None, **values: Any) -> ContinuedRecipe:
    settings = {
        "name": "tiny", "objective": objective or {"kind": "contrastive"}, "backbone": str(world / "dinov2"),
        "steps": 5, "batch_size": 4, "held_out": 4, "checkpoint_every": 2, "lora_rank": 2,
    }  # fmt: skip
    return ContinuedRecipe.checked(**settings | values)


def pretrain(world: Path, out: Path, recipe: ContinuedRecipe, kill_at: int | None = None) -> Path:
    def progress(done: int, total: int, message: str | None) -> None:
        if done == kill_at:
            raise Killed

    folder = SnapshotFolder.open(world / "snapshot")
    return pretrain_backbone(folder, recipe, out, progress, made_by="rounds backbone pretrain", date="today")


def card_of(out: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((out / "card.json").read_text())
    return card


def test_low_rank_updates_are_merged_into_a_stock_folder_with_report_and_card(world: Path, tmp_path: Path) -> None:
    out = pretrain(world, tmp_path / "out", make_recipe(world))
    assert sorted(path.name for path in out.iterdir()) == [
        "card.json", "config.json", "losses.png", "model.safetensors", "preprocessor_config.json", "pretraining.json"
    ]  # fmt: skip
    _, loading = AutoModel.from_pretrained(out, output_loading_info=True)
    assert (list(loading["missing_keys"]), list(loading["unexpected_keys"])) == ([], [])
    before, after = (load_file(folder / "model.safetensors") for folder in (world / "dinov2", out))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("attention" in name for name in changed)

    card, report = card_of(out), json.loads((out / "pretraining.json").read_text())
    assert (card["objective"], card["digest"], card["fitted_on"]["n_images"]) == (
        "contrastive",
        weights_digest(out),
        16,
    )
    assert all(subject.startswith("train-") for subject in card["fitted_on"]["subjects"])
    [ancestor] = card["ancestors"]
    assert ancestor["digest"] == weights_digest(world / "dinov2")
    assert [point["step"] for point in report["losses"]["contrastive"]] == [2, 4, 5]
    assert (card["probe"], card["word"]) == (report["probe"], report["word"])
    assert set(report["probe"]["difference"]) == {"auroc", "balanced_accuracy"}
    assert Backbone.load(out).pooling == Backbone.load(world / "dinov2").pooling


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "trainable"),
    [
        (SMALL_DINO, "lora"),
        ({"kind": "simmim"}, "full"),
        ({"kind": "hybrid", "self_supervised": {"kind": "masked-autoencoding"}, "weights": [0.1, 1.0]}, "full"),
    ],
    ids=["self-distillation", "simmim", "hybrid"],
)
def test_a_fit_killed_and_resumed_gives_the_weights_of_one_that_was_not(
    world: Path, tmp_path: Path, objective: dict[str, Any], trainable: str
) -> None:
    recipe = make_recipe(world, objective, trainable=trainable)
    whole = pretrain(world, tmp_path / "whole", recipe)
    for kill_at in (3, 8) if objective["kind"] == "hybrid" else (3,):
        with pytest.raises(Killed):
            pretrain(world, tmp_path / "resumed", recipe, kill_at)
    resumed = pretrain(world, tmp_path / "resumed", recipe)
    assert weights_digest(whole) == weights_digest(resumed)
    assert card_of(whole) == card_of(resumed)
    assert card_of(whole)["chosen"] in card_of(whole)["variants"]


def test_a_fit_that_was_timed_gives_the_same_weights_and_all_variants_are_told(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train.pretraining.timing, "WORTH_STEPS", 1)
    recipe = make_recipe(world, {"kind": "hybrid", "self_supervised": SMALL_DINO, "weights": [0.1, 1.0]}, steps=3)
    estimates: list[FitEstimate | None] = []
    folder = SnapshotFolder.open(world / "snapshot")
    plain = pretrain(world, tmp_path / "plain", recipe)
    timed = pretrain_backbone(folder, recipe, tmp_path / "timed", silent, "", "", on_estimate=estimates.append)
    assert weights_digest(timed) == weights_digest(plain)
    [estimate] = estimates
    assert estimate is not None
    assert [phase.steps for phase in estimate.phases] == [3 * len(recipe.objective.variants())]


def test_a_finished_fit_is_left_alone_and_another_recipe_is_refused(world: Path, tmp_path: Path) -> None:
    recipe = make_recipe(world, steps=1)
    out = pretrain(world, tmp_path / "out", recipe)
    written = (out / "model.safetensors").stat().st_mtime_ns
    assert pretrain(world, out, recipe) == out
    assert (out / "model.safetensors").stat().st_mtime_ns == written
    with pytest.raises(Conflict, match="another recipe"):
        pretrain(world, out, make_recipe(world, steps=2))


def test_the_unfinished_fit_of_another_recipe_is_refused_also_where_a_weight_of_it_is_finished(
    world: Path, tmp_path: Path
) -> None:
    objective = {"kind": "hybrid", "self_supervised": {"kind": "simmim"}, "weights": [0.1, 1.0]}
    recipe = make_recipe(world, objective, steps=2)
    for kill_at in (2, 3):  # at the end of the first weight, in the second
        with pytest.raises(Killed):
            pretrain(world, tmp_path / "out", recipe, kill_at)
        with pytest.raises(Conflict, match="a fit of another recipe or of other images"):
            pretrain(world, tmp_path / "out", recipe.model_copy(update={"seed": 1}))


def test_a_teacher_and_approved_images_are_seen_and_named(world: Path, tmp_path: Path) -> None:
    objective = {"kind": "feature-distillation", "teacher": str(world / "convnext")}
    card = card_of(pretrain(world, tmp_path / "out", make_recipe(world, objective, steps=1, with_approved=True)))
    assert [Path(ancestor["name"]).name for ancestor in card["ancestors"]] == ["dinov2", "convnext"]
    assert card["fitted_on"]["n_images"] == 18
    assert len(card["fitted_on"]["pixel_sha256"]) == 18


def test_what_an_ancestor_saw_is_seen_and_held_out_subjects_are_refused(world: Path, tmp_path: Path) -> None:
    start = save_network("dinov2", tmp_path / "start")
    fitted_on = {"subjects": ["earlier"], "pixel_sha256": ["0" * 64]}
    (start / "card.json").write_text(json.dumps({"name": "start", "fitted_on": fitted_on}))
    card = card_of(pretrain(world, tmp_path / "out", make_recipe(world, backbone=str(start), steps=1)))
    assert "earlier" in card["fitted_on"]["subjects"]
    assert card["ancestors"][0]["card"]["name"] == "start"

    held_out = SnapshotFolder.open(world / "snapshot").rows("test")[0].subject
    (start / "card.json").write_text(json.dumps({"fitted_on": {"subjects": [held_out], "pixel_sha256": []}}))
    with pytest.raises(LeakRefused, match="1 test subjects"):
        pretrain(world, tmp_path / "leak", make_recipe(world, backbone=str(start)))
    (start / "card.json").unlink()
    with pytest.raises(LeakRefused, match="does not say what it saw"):
        pretrain(world, tmp_path / "leak", make_recipe(world, backbone=str(start)))
    allowed = make_recipe(world, backbone=str(start), steps=1, allow_unknown_provenance=True)
    assert card_of(pretrain(world, tmp_path / "allowed", allowed))["fitted_on"]["unknown"] == [f"backbone {start}"]


def test_a_fit_that_diverges_leaves_nothing(world: Path, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="lower --learning-rate than 1e"):
        pretrain(world, tmp_path / "out", make_recipe(world, trainable="full", learning_rate=1e30))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"held_out": 16}, "more than 16 real training images, got 16"),
        ({"batch_size": 13}, "batch_size 13 is more than the 12 images"),
        ({"trainable": "lora", "lora_rank": 64}, "lora_rank 64 is more than the 16 channels"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_a_line(
    world: Path, tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        pretrain(world, tmp_path / "out", make_recipe(world, **values))


def test_without_validation_nothing_is_said_and_no_weight_is_chosen(world: Path, tmp_path: Path) -> None:
    write_snapshot(tmp_path / "snapshot", {"train": 8, "validation": 0, "test": 0})
    out = pretrain(tmp_path, tmp_path / "out", make_recipe(world, steps=1))
    assert card_of(out)["word"] == "not measured"
    assert "has no image of" in card_of(out)["probe"]["why_none"]
    with pytest.raises(BadInput, match="validation chooses the weight, and cannot"):
        pretrain(tmp_path, tmp_path / "hybrid", make_recipe(world, {"kind": "hybrid"}))
    with pytest.raises(BadInput, match="no approved synthetic training image"):
        pretrain(tmp_path, tmp_path / "none", make_recipe(world, with_approved=True))


@pytest.mark.slow
def test_simmim_lowers_the_held_out_error(world: Path, tmp_path: Path) -> None:
    recipe = make_recipe(world, {"kind": "simmim"}, trainable="full", learning_rate=5e-3, steps=40, checkpoint_every=10)
    losses = card_of(pretrain(world, tmp_path / "out", recipe))["losses"]
    assert losses[-1]["held_out"] < 0.9 * losses[0]["held_out"]
