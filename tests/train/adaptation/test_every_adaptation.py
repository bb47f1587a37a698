"""Every adaptation learns a small task, is saved, read back by stock libraries, merged, or refuses.

None of it says that a method is good: that stands in docs/adaptation.md.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel, ResNetConfig, ResNetModel

from curation.errors import BadInput
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig
from train.adaptation.methods.implementation import find_implementation
from train.adaptation.rows.inserted import LEVELS
from train.adaptation.rows.row import FAMILIES, INSERTED, PEFT
from train.adaptation.rows.table import METHODS
from train.adaptation.run_folder import load_run
from train.backbones.load import Backbone
from train.features.feature_cache import FeatureCache

FASTER = 5  # times the default learning rate: the task is learnt in a few steps
UNMERGED = {"ln-tuning": "its layers are norms", "lily": "peft 0.21 does not merge it", "pvera": "it draws"}

NOT_FOR_CONVOLUTIONS = {"prompts", "deep-prompts", "adaptformer"} | {
    name for name, settings in METHODS.items() if settings.row.applies_to.startswith("encoders with l")
    and "convolutions" not in settings.row.applies_to
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """A snapshot, a tiny backbone, features of it, and a place for runs."""

    folder: SnapshotFolder
    backbone: Path
    maps: Path
    runs: Path

    def config(self, adaptation: str, **changes: object) -> AdaptationConfig:
        row = METHODS[adaptation].row
        rate, backbone = row.learning_rate * FASTER, self.maps if row.applies_to == LEVELS else self.backbone
        settings = {"adaptation": adaptation, "backbone": str(backbone), "steps": 12, "batch_size": 12}
        return AdaptationConfig.checked(**settings | {"evaluations": 2, "learning_rate": rate} | changes)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    path = tmp_path_factory.mktemp("adaptations")
    folder = write_snapshot(path / "snapshot", {"train": 12, "validation": 8})
    torch.manual_seed(0)
    network = ResNetModel(ResNetConfig(embedding_size=16, hidden_sizes=[16, 16], depths=[1, 1], layer_type="basic"))
    return World(folder, save_backbone(path / "backbone"), save_backbone(path / "maps", network), path / "runs")


@pytest.mark.parametrize("name", METHODS)
def test_a_row_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    row = METHODS[name].row
    assert row.name == name == METHODS[name]().kind
    assert row.family in FAMILIES
    assert row.summary
    assert row.applies_to
    assert any(place in row.paper for place in ("arXiv:", "openreview:", "doi:"))
    assert row.verified
    assert find_implementation(METHODS[name]())


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_an_adaptation_learns_and_is_read_back_to_equal_predictions(name: str, world: World) -> None:
    result = adapt(world.folder, world.config(name), world.runs / name, silent)
    assert result.metrics["validation_accuracy"] >= 0.75
    assert result.card["parameters"]["trainable"] <= result.card["parameters"]["total"]
    saved = load_run(result.directory, "cpu")
    rows = world.folder.rows("validation")
    inputs = saved.model.backbone.preprocessing(world.folder.pixels(rows))
    labels = torch.from_numpy(world.folder.labels(rows))
    with torch.inference_mode():
        logits = saved.model(inputs)
    loss = float(torch.nn.functional.cross_entropy(logits, labels))
    assert loss == pytest.approx(result.metrics["validation_loss"], abs=1e-4)
    if METHODS[name].row.family == INSERTED:  # no library of others knows these layers
        again = load_run(result.directory, "cpu").model
        with torch.inference_mode():
            assert torch.equal(again(inputs), logits)
    else:
        np.testing.assert_allclose(stock_logits(result.directory, world.backbone, inputs), logits.numpy(), atol=1e-4)
    if METHODS[name].row.family == PEFT and name not in UNMERGED:
        assert isinstance(saved.model.encoder, PeftModel)
        with torch.inference_mode():
            before = saved.model.encoder(inputs).last_hidden_state
            merged = saved.model.encoder.merge_and_unload().eval()(inputs).last_hidden_state
        np.testing.assert_allclose(merged.numpy(), before.numpy(), atol=1e-5 * float(before.abs().max()) + 1e-5)


def stock_logits(directory: Path, backbone: Path, inputs: torch.Tensor) -> np.ndarray:
    """Predict with transformers and peft alone, from the files of the run."""
    whole, adapter = directory / "model", directory / "adapter"
    encoder = AutoModel.from_pretrained(whole if whole.is_dir() else backbone, add_pooling_layer=False)
    if adapter.is_dir():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            encoder = PeftModel.from_pretrained(encoder, adapter)
    head = load_file(directory / "head.safetensors")
    with torch.inference_mode():
        tokens = encoder.eval()(inputs).last_hidden_state[:, 1:]
        pooled = torch.cat([tokens.mean(dim=1), tokens.amax(dim=1)], dim=1)
        return (pooled @ head["weight"].T + head["bias"]).numpy()


@pytest.mark.parametrize("name", METHODS)
def test_on_a_network_of_convolutions_an_adaptation_adapts_or_is_refused_in_one_sentence(
    name: str, world: World
) -> None:
    method, convolutional = METHODS[name](), Backbone.load(world.maps)
    if name in NOT_FOR_CONVOLUTIONS:
        with pytest.raises(BadInput, match=r"(?i)choose another"):
            find_implementation(method).check(convolutional, method)
    else:
        find_implementation(method).check(convolutional, method)


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in METHODS if not METHODS[name].row.frozen_encoder])
def test_an_adaptation_killed_and_resumed_gives_equal_weights(name: str, world: World) -> None:
    config = world.config(name, steps=4, start="probe")
    whole = adapt(world.folder, config, world.runs / f"{name}-whole", silent)

    def kill(done: int, total: int, note: str | None) -> None:
        if note != "features" and done == 2:
            raise KilledError

    with pytest.raises(KilledError):
        adapt(world.folder, config, world.runs / f"{name}-resumed", kill)
    torch.manual_seed(5)  # the process that continues has drawn other numbers
    assert adapt(world.folder, config, world.runs / f"{name}-resumed", silent).card["digest"] == whole.card["digest"]


def test_what_is_for_maps_is_refused_by_a_transformer(world: World) -> None:
    with pytest.raises(BadInput, match="expected blocks of feature maps, but ViTModel has none"):
        adapt(world.folder, world.config("conv-adapter", backbone=str(world.backbone)), world.runs / "maps", silent)


def test_a_frozen_encoder_is_not_run_again_for_another_head(world: World) -> None:
    features = FeatureCache(Backbone.load(world.backbone), None)
    for name in ("linear-probe", "logistic", "nearest-mean"):
        adapt(world.folder, world.config(name), world.runs / f"shared-{name}", silent, features)
    assert len(features._in_memory) == 40
