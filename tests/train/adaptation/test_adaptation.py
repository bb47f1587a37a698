"""Every method of adaptation trains, saves what stock libraries load, and refuses leaks."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModel, ConvNextConfig, Dinov2Config, ResNetConfig, ViTConfig, ViTModel

from curation.errors import BadInput, Conflict, Damaged, LeakRefused
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import RunResult, adapt
from train.adaptation.config import AdaptationConfig
from train.adaptation.model import StandardizedHead
from train.adaptation.peft_adapters import find_layers_to_adapt
from train.adaptation.run_folder import load_run
from train.backbones.load import Backbone
from train.features.feature_cache import FeatureCache

LEARNING_RATES = {"linear-probe": 2e-2, "lora": 1e-2, "full": 2e-3}


@pytest.fixture
def folder(tmp_path: Path) -> SnapshotFolder:
    return write_snapshot(tmp_path / "snapshot", {"train": 20, "validation": 8, "test": 8}, synthetic=["upper"])


def config(tmp_path: Path, adaptation: str, **changes: object) -> AdaptationConfig:
    backbone = tmp_path / "backbone"
    if not backbone.exists():
        save_backbone(backbone)
    settings = {"adaptation": adaptation, "backbone": str(backbone), "steps": 40, "batch_size": 16}
    return AdaptationConfig.checked(**settings | {"learning_rate": LEARNING_RATES[adaptation]} | changes)


def trained(tmp_path: Path, folder: SnapshotFolder, adaptation: str, out: str = "run", **changes: object) -> RunResult:
    return adapt(folder, config(tmp_path, adaptation, **changes), tmp_path / out, silent)


def stock_logits(encoder: torch.nn.Module, head: dict[str, torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
    tokens = encoder(inputs).last_hidden_state[:, 1:]
    pooled = torch.cat([tokens.mean(dim=1), tokens.amax(dim=1)], dim=1)
    return pooled @ head["weight"].T + head["bias"]


@pytest.mark.slow
@pytest.mark.parametrize("adaptation", ["linear-probe", "lora", "full"])
def test_every_adaptation_learns_and_keeps_the_weights_of_its_best_validation_loss(
    adaptation: str, folder: SnapshotFolder, tmp_path: Path
) -> None:
    result = trained(tmp_path, folder, adaptation)
    losses = [point["validation_loss"] for point in result.card["history"]]
    assert result.metrics["validation_loss"] == min(losses)
    assert result.metrics["validation_loss"] < 0.6
    assert result.card["n_images"] == {"real": 40, "synthetic": 1}


@pytest.mark.slow
@pytest.mark.parametrize("adaptation", ["linear-probe", "lora", "full"])
def test_a_run_is_rebuilt_by_stock_libraries_from_its_folder(
    adaptation: str, folder: SnapshotFolder, tmp_path: Path
) -> None:
    directory = trained(tmp_path, folder, adaptation).directory
    saved = load_run(directory, "cpu")
    inputs = saved.model.backbone.preprocessing(folder.pixels(folder.rows("validation")))
    stock = AutoModel.from_pretrained(
        directory / "model" if adaptation == "full" else tmp_path / "backbone", add_pooling_layer=False
    )
    if adaptation == "lora":
        stock = PeftModel.from_pretrained(stock, directory / "adapter")
    with torch.inference_mode():
        ours = saved.model(inputs)
        theirs = stock_logits(stock.eval(), load_file(directory / "head.safetensors"), inputs)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-4)
    assert (ours.argmax(dim=1).numpy() == folder.labels(folder.rows("validation"))).mean() > 0.7


@pytest.mark.slow
def test_a_linear_probe_changes_the_head_alone_and_lora_a_small_part(folder: SnapshotFolder, tmp_path: Path) -> None:
    probe = trained(tmp_path, folder, "linear-probe", "probe").card["parameters"]
    lora = trained(tmp_path, folder, "lora", "lora").card["parameters"]
    full = trained(tmp_path, folder, "full", "full").card["parameters"]
    assert probe["trainable"] == 64 * 2 + 2
    assert probe["trainable"] < lora["trainable"] < full["trainable"] == full["total"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(folder: SnapshotFolder, tmp_path: Path) -> None:
    for adaptation in ("linear-probe", "lora"):
        digests = [
            trained(tmp_path, folder, adaptation, f"{adaptation}{out}", seed=seed, steps=6).card["digest"]
            for out, seed in enumerate((3, 3, 4))
        ]
        assert digests[0] == digests[1] != digests[2]


@pytest.mark.slow
def test_training_stops_early_when_validation_gets_no_better(folder: SnapshotFolder, tmp_path: Path) -> None:
    settings = {"steps": 400, "evaluations": 40, "patience": 2, "learning_rate": 0.5}
    stopped = trained(tmp_path, folder, "linear-probe", "stopped", **settings)
    whole = trained(tmp_path, folder, "linear-probe", "whole", **settings | {"patience": None})
    assert stopped.card["steps"] < whole.card["steps"] == 400


def test_the_card_says_what_the_run_rests_on(folder: SnapshotFolder, tmp_path: Path) -> None:
    card = trained(tmp_path, folder, "linear-probe", steps=2).card
    assert card["snapshot"]["digest"] == folder.digest
    assert card["saw"]["subjects"] == sorted({row.subject for row in folder.rows("train") if row.subject})
    assert len(card["saw"]["pixel_sha256"]) == 41
    assert card["backbone"]["digest"] == Backbone.load(tmp_path / "backbone").digest


def test_a_finished_run_is_returned_and_another_one_in_its_place_refused(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    first = trained(tmp_path, folder, "linear-probe", steps=2)
    assert trained(tmp_path, folder, "linear-probe", steps=2).card == first.card
    with pytest.raises(Conflict, match="another snapshot or configuration"):
        trained(tmp_path, folder, "linear-probe", steps=3)


def test_a_backbone_that_saw_a_held_out_subject_is_refused(folder: SnapshotFolder, tmp_path: Path) -> None:
    settings = config(tmp_path, "linear-probe")
    seen = {"subjects": [folder.rows("test")[0].subject], "pixel_sha256": []}
    (tmp_path / "backbone" / "card.json").write_text(json.dumps({"fitted_on": seen}))
    with pytest.raises(LeakRefused, match="1 test subjects"):
        adapt(folder, settings, tmp_path / "run", silent)
    seen = {"subjects": [], "pixel_sha256": [folder.rows("validation")[0].pixel_sha256]}
    (tmp_path / "backbone" / "card.json").write_text(json.dumps({"fitted_on": seen}))
    with pytest.raises(LeakRefused, match="1 validation subjects or images"):
        adapt(folder, settings, tmp_path / "run", silent)


def test_a_backbone_that_does_not_say_what_it_saw_needs_an_override_that_the_card_repeats(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    settings = config(tmp_path, "linear-probe", steps=2)
    (tmp_path / "backbone" / "card.json").unlink()
    with pytest.raises(LeakRefused, match="--allow-unknown-provenance"):
        adapt(folder, settings, tmp_path / "run", silent)
    allowed = settings.model_copy(update={"allow_unknown_provenance": True})
    assert adapt(folder, allowed, tmp_path / "run", silent).card["saw"]["unknown"] == [f"backbone {settings.backbone}"]


def test_a_fully_adapted_model_used_as_a_backbone_still_says_what_it_saw(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    adapted = trained(tmp_path, folder, "full", steps=2).directory / "model"
    other = write_snapshot(tmp_path / "other", {"train": 4, "validation": 2, "test": 2})
    metadata = tmp_path / "other" / "test" / "metadata.jsonl"
    metadata.write_text(metadata.read_text().replace("test-upper-0", "train-upper-0"))
    with pytest.raises(LeakRefused, match="were seen in training"):
        trained(tmp_path, other, "linear-probe", "next", backbone=str(adapted))


def test_changed_weights_and_a_changed_backbone_are_found_on_loading(folder: SnapshotFolder, tmp_path: Path) -> None:
    directory = trained(tmp_path, folder, "linear-probe", steps=2).directory
    preprocessing = tmp_path / "backbone" / "preprocessor_config.json"
    content = preprocessing.read_text()
    preprocessing.write_text(content.replace("0.25", "0.5"))
    with pytest.raises(Conflict, match="another version"):
        load_run(directory, "cpu")
    preprocessing.write_text(content)
    weights = bytearray((directory / "head.safetensors").read_bytes())
    weights[-1] ^= 1
    (directory / "head.safetensors").write_bytes(weights)
    with pytest.raises(Damaged, match="no longer hash"):
        load_run(directory, "cpu")


def test_a_class_without_training_images_is_refused(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "snapshot", {"train": 4, "validation": 2, "test": 2})
    rows = (tmp_path / "snapshot" / "train" / "metadata.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "snapshot" / "train" / "metadata.jsonl").write_text("".join(row for row in rows if "lower" not in row))
    with pytest.raises(BadInput, match="without any: lower"):
        trained(tmp_path, folder, "linear-probe")


@pytest.mark.slow
def test_lora_finds_the_layers_of_each_architecture_and_batch_norm_stays_in_eval(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    dinov2 = AutoModel.from_config(Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2))
    assert {name.rsplit(".", 1)[-1] for name in find_layers_to_adapt(dinov2)} >= {"q_proj", "v_proj"}
    convnext = AutoModel.from_config(ConvNextConfig(hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1]))
    assert all("pwconv" in name for name in find_layers_to_adapt(convnext))
    resnet = AutoModel.from_config(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]))
    assert all(name.startswith("encoder.") for name in find_layers_to_adapt(resnet))
    with pytest.raises(BadInput, match="linear layers or convolutions to adapt"):
        find_layers_to_adapt(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()))
    save_backbone(tmp_path / "convnet", resnet)
    inputs = Backbone.load(tmp_path / "convnet").preprocessing(folder.pixels(folder.rows("validation")))
    for method, more in (("full", {}), ("lora", {"lora_rank": 2})):
        run = trained(tmp_path, folder, method, backbone=str(tmp_path / "convnet"), steps=4, out=method, **more)
        with torch.inference_mode():
            first, second = (load_run(run.directory, "cpu").model(inputs) for _ in range(2))
        assert torch.equal(first, second)


@pytest.mark.slow
def test_an_adapter_of_the_shipped_backbone_names_its_base_so_that_stock_peft_loads_it(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    shipped = AdaptationConfig.checked(adaptation="lora", steps=2, batch_size=2, evaluations=1)
    directory = adapt(folder, shipped, tmp_path / "run", silent).directory
    named = json.loads((directory / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert named == "train/shipped/virtual-brains-student"
    assert PeftModel.from_pretrained(AutoModel.from_pretrained(named), directory / "adapter")


def test_a_rank_above_the_width_of_a_layer_is_refused_before_an_image_is_read(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    for split in ("train", "validation"):
        for path in (folder.path / split).glob("*.png"):
            path.unlink()
    with pytest.raises(BadInput, match=r"lora_rank 33 is more than the 32 channels of .*q_proj"):
        trained(tmp_path, folder, "lora", lora_rank=33)


def test_images_that_the_backbone_does_not_take_are_refused_before_one_is_read(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    settings = config(tmp_path, "linear-probe")
    preprocessing = {"size": {"shortest_edge": 42}, "image_processor_type": "ViTImageProcessor"}
    (tmp_path / "backbone" / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    with pytest.raises(BadInput, match="makes inputs of 42 x 42, and ViTModel"):
        adapt(folder, settings, tmp_path / "run", silent)


def test_a_feature_that_does_not_vary_has_scale_one_and_where_none_varies_nothing_is_learnt(tmp_path: Path) -> None:
    features = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    features[:, 1] = 300.0
    features[:, 1] += 1e-5 * torch.randn(30, generator=torch.Generator().manual_seed(1))
    head = StandardizedHead.fitted(features, 2)
    assert (head.n_constant, float(head.std[1])) == (1, 1.0)
    nearly = features[:1].clone()
    nearly[:, 1] += 0.01
    assert (head(nearly) - head(features[:1])).abs().max() < 0.02  # 10^2 times as much when divided by rounding
    with pytest.raises(BadInput, match="all 30 training images the same features"):
        StandardizedHead.fitted(torch.full((30, 2), 300.0), 2)


@pytest.mark.parametrize("adaptation", ["linear-probe", "lora", "full"])
def test_a_run_on_the_class_token_alone_keeps_its_predictions_and_is_not_continued_on_other_features(
    adaptation: str, folder: SnapshotFolder, tmp_path: Path
) -> None:
    """Release 0.1 pooled the class token where a model has one and says nothing."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    model = ViTModel(ViTConfig(**sizes, image_size=32, patch_size=8), add_pooling_layer=False)
    settings = config(tmp_path, adaptation, backbone=str(save_backbone(tmp_path / "vit", model)), steps=2)
    before = Backbone.load(tmp_path / "vit").pooled_as_before()
    adapt(folder, settings, tmp_path / "run", silent, FeatureCache(before))
    saved_config = tmp_path / "run" / "model" / "config.json"
    if saved_config.exists():
        entries = json.loads(saved_config.read_text())
        assert entries.pop("feature_pooling") == "cls"
        saved_config.write_text(json.dumps(entries))
    saved = load_run(tmp_path / "run", "cpu")
    assert (saved.model.backbone.pooling, saved.model.backbone.digest == before.digest) == ("cls", adaptation != "full")
    pixels = folder.pixels(folder.rows("validation"))
    assert saved.model(saved.model.backbone.preprocessing(pixels)).shape == (len(pixels), 2)
    with pytest.raises(Conflict, match="another version of"):
        adapt(folder, settings, tmp_path / "run", silent, FeatureCache(Backbone.load(tmp_path / "vit")))
