"""What the settings of a fit change, and what they leave as it is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch import nn
from transformers import ResNetConfig, ResNetModel

from curation.errors import BadInput
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.batch_loss import BatchLoss, autocast_type
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples, evaluate_loss, measured_as_trained
from train.backbones.load import Backbone
from train.features.feature_cache import FeatureCache
from train.fitting.kept_weights import BestWeights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFolder:
    path = tmp_path_factory.mktemp("settings")
    save_backbone(path / "backbone")
    return write_snapshot(path / "snapshot", {"train": 12, "validation": 6})


def short(folder: SnapshotFolder, adaptation: str = "lora", **changes: object) -> AdaptationConfig:
    settings = {"adaptation": adaptation, "backbone": str(folder.path.parent / "backbone"), "steps": 4, "seed": 2}
    return AdaptationConfig.checked(**settings | {"batch_size": 8, "evaluations": 2, "learning_rate": 1e-2} | changes)


def losses(card: dict[str, Any]) -> list[float]:
    return [point[name] for point in card["history"] for name in ("train_loss", "validation_loss")]


def test_portions_of_a_batch_and_computing_activations_again_change_nothing(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    whole = adapt(folder, short(folder), tmp_path / "whole", silent)
    portions = adapt(folder, short(folder, accumulation=3), tmp_path / "portions", silent)
    again = adapt(folder, short(folder, gradient_checkpointing=True), tmp_path / "again", silent)
    np.testing.assert_allclose(losses(portions.card), losses(whole.card), rtol=1e-4)
    np.testing.assert_allclose(losses(again.card), losses(whole.card), rtol=1e-4)


def features_short_of_memory(folder: SnapshotFolder, most: int) -> FeatureCache:
    """A backbone whose forward pass in training takes at most so many images."""
    backbone = Backbone.load(folder.path.parent / "backbone")

    def hook(model: nn.Module, inputs: Any, options: dict[str, Any]) -> None:
        images = inputs[0] if inputs else options["pixel_values"]
        if model.training and len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    backbone.model.register_forward_pre_hook(hook, with_kwargs=True)
    return FeatureCache(backbone)


def test_without_memory_for_a_batch_it_is_halved_until_it_fits_and_that_is_said(
    folder: SnapshotFolder, tmp_path: Path
) -> None:
    notes: list[str | None] = []
    config = short(folder, lora_dropout=0.3)
    features = features_short_of_memory(folder, 2)
    run = adapt(folder, config, tmp_path / "short", lambda done, total, note: notes.append(note), features)
    assert "out of memory: 4 images at a time, a batch in 2 portions" in notes
    assert run.card["out_of_memory"] == "2 images at a time, a batch in 4 portions"
    asked = adapt(folder, short(folder, lora_dropout=0.3, accumulation=4), tmp_path / "asked", silent)
    assert run.card["history"] == asked.card["history"]
    assert "out_of_memory" not in asked.card


def test_memory_for_no_image_ends_the_fit_in_one_line(folder: SnapshotFolder, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not hold the step of a single image"):
        adapt(folder, short(folder), tmp_path / "run", silent, features_short_of_memory(folder, 0))


def test_a_network_that_cannot_compute_activations_again_is_refused(folder: SnapshotFolder, tmp_path: Path) -> None:
    resnet = ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic"))
    backbone = save_backbone(tmp_path / "resnet", resnet)
    config = short(folder, "full", backbone=str(backbone), gradient_checkpointing=True)
    with pytest.raises(BadInput, match="ResNetModel cannot compute its activations again"):
        adapt(folder, config, tmp_path / "run", silent)


@pytest.mark.parametrize("changes", [{"ema_decay": 0.9}, {"schedule": "linear"}, {"max_gradient_norm": 0.01}])
def test_each_setting_of_the_optimiser_changes_the_fit(
    changes: dict[str, object], folder: SnapshotFolder, tmp_path: Path
) -> None:
    plain = adapt(folder, short(folder, "linear-probe"), tmp_path / "plain", silent)
    changed = adapt(folder, short(folder, "linear-probe", **changes), tmp_path / "changed", silent)
    assert losses(changed.card) != losses(plain.card)


def test_a_network_computes_in_bfloat16_where_it_is_asked_to(folder: SnapshotFolder, tmp_path: Path) -> None:
    assert autocast_type("auto", "cpu") is None
    exact = adapt(folder, short(folder), tmp_path / "exact", silent)
    rounded = adapt(folder, short(folder, precision="bfloat16"), tmp_path / "rounded", silent)
    assert losses(rounded.card) != losses(exact.card)
    np.testing.assert_allclose(losses(rounded.card), losses(exact.card), rtol=0.05)


def imbalanced() -> Examples:
    inputs = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    weights = np.array([1.0] * 8 + [2.0])
    return Examples(lambda chosen: inputs[chosen], np.array([0] * 6 + [1] * 3), weights)


def test_balance_in_the_loss_counts_as_much_as_balance_in_drawing() -> None:
    config, generator = AdaptationConfig(weighting="loss"), torch.Generator()
    loss = BatchLoss(nn.Linear(3, 2), imbalanced(), config, generator, None)
    assert loss.loss_weights is not None
    drawn = BatchLoss(nn.Linear(3, 2), imbalanced(), AdaptationConfig(), generator, None)
    torch.testing.assert_close(loss.loss_weights.double() * loss.probabilities, drawn.probabilities)
    assert float(loss.loss_weights[:6].sum()) == pytest.approx(float(loss.loss_weights[6:].sum()))


@pytest.mark.parametrize("class_balanced", [True, False])
def test_validation_is_weighted_as_training_is(class_balanced: bool) -> None:
    config = AdaptationConfig(validation_weighting="training", class_balanced=class_balanced)
    model, examples = nn.Linear(3, 2), imbalanced()
    weights = [1 / 6] * 6 + [1 / 4, 1 / 4, 1 / 2] if class_balanced else examples.weights
    with torch.inference_mode():
        probabilities = model(examples.inputs(np.arange(9))).softmax(dim=1).numpy()
    measured = evaluate_loss(model, measured_as_trained(examples, config), 4)
    expected = log_loss(examples.labels, probabilities, sample_weight=weights)
    assert measured["validation_loss"] == pytest.approx(expected, rel=1e-5)
    plain = measured_as_trained(examples, AdaptationConfig())
    assert evaluate_loss(model, plain, 4)["validation_loss"] == pytest.approx(log_loss(examples.labels, probabilities))


def test_early_stopping_is_set_in_epochs_with_a_minimum() -> None:
    config = AdaptationConfig(batch_size=10, epochs=12, patience_epochs=2, min_epochs=3)
    assert (config.patience_steps(25), config.min_steps(25)) == (6, 9)
    assert AdaptationConfig(batch_size=10, epochs=12, evaluations=6, patience=2).patience_steps(25) == 12
    assert AdaptationConfig(patience=None).patience_steps(25) is None
    best = BestWeights(nn.Linear(1, 1), "loss", patience_steps=6, min_steps=9)
    best.after_evaluation(1, {"loss": 1.0})
    assert [best.is_exhausted(step) for step in (6, 7, 8, 9)] == [False, False, False, True]
