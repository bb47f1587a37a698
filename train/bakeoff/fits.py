"""Fit one contestant with one seed and predict the held-out images."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate
from transformers import ResNetConfig, ResNetForImageClassification

from curation.errors import Diverged
from curation.image_store import Pixels
from curation.progress import OnProgress
from curation.snapshots.folder import SnapshotRow
from train.adaptation.adapt import RunResult, adapt, check_adaptation
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples, measured_as_trained, predict_logits
from train.adaptation.fit import FitTask, train_model
from train.adaptation.methods.closed_heads import fit_closed_head, logistic
from train.adaptation.model import StandardizedHead
from train.adaptation.run_folder import load_run
from train.adaptation.training import make_examples
from train.bakeoff.bench import BakeoffBench
from train.bakeoff.contestants import Contestant
from train.evaluation.evaluate import BATCH_SIZE, predict
from train.features.feature_cache import FeatureCache
from train.fitting.checkpoint import CHECKPOINTS, Checkpoint
from train.fitting.device import choose_device
from train.sums.solve import PENALTIES

NEIGHBOURS = 10
RAW_SIDE = 16
CNN_SIDE = 64  # the stem of a ResNet halves an image twice, so smaller ones are enlarged
CNN = {"embedding_size": 32, "hidden_sizes": [32, 64, 128], "depths": [1, 1, 1], "layer_type": "basic"}


@dataclass(frozen=True, slots=True)
class FittedContestant:
    """What came of a fit: class probabilities (N, n_classes) of the held-out images, and what it took."""

    probabilities: NDArray[np.float64]
    trainable: int
    total: int
    steps: int  # of an optimiser; 0 where there is a closed form
    tries: int  # settings among which validation chose inside the fit
    validation_loss: float | None = None
    cost: dict[str, float] = field(default_factory=dict)


Fit = Callable[[BakeoffBench, AdaptationConfig, Path, OnProgress], FittedContestant]


def is_seeded(contestant: Contestant) -> bool:
    """Whether chance has a part in the fit: a closed form gives the same at every seed."""
    if contestant.control:
        return contestant.control.seeded
    return contestant.config.method.row.takes_steps


def takes_rates(contestant: Contestant) -> bool:
    """Whether the fit has a learning rate that can be tuned."""
    return is_seeded(contestant) and contestant.method != "random-weights"


def fit_contestant(
    bench: BakeoffBench, contestant: Contestant, config: AdaptationConfig, out: Path, report: OnProgress
) -> FittedContestant:
    """Fit a contestant under `config`, with what is under way in `out`, and predict the held-out images.

    Raises what `adapt` raises, and Diverged where a probability is no finite number.
    """
    fit = CONTROL_FITS[contestant.control.name] if contestant.control else adaptation
    result = fit(bench, config, out, report)
    if not np.isfinite(result.probabilities).all():
        raise Diverged("the predictions are no finite numbers. Set a lower learning_rate in the contestant's file.")
    return result


def adaptation(bench: BakeoffBench, config: AdaptationConfig, out: Path, report: OnProgress) -> FittedContestant:
    """Adapt a backbone as `rounds train` does; the run is read back before it predicts, and is not kept."""
    frozen = config.method.row.frozen_encoder
    features = bench.frozen(config.backbone) if frozen else bench.copied(config.backbone)
    run = _adapt(bench, config, out, report, features)
    if not frozen:
        features = bench.copied(config.backbone)
    return _predicted(bench, run, features)


def random_weights(bench: BakeoffBench, config: AdaptationConfig, out: Path, report: OnProgress) -> FittedContestant:
    """Fit a head to features of the same network with random weights."""
    features = bench.random(config.backbone, config.seed)
    return _predicted(bench, _adapt(bench, config, out, report, features), features)


def _adapt(
    bench: BakeoffBench, config: AdaptationConfig, out: Path, report: OnProgress, features: FeatureCache
) -> RunResult:
    allowed = bool(bench.affected)
    return adapt(bench.folder, config, out, report, features, allow_affected=allowed, also_affected=bench.affected)


def _predicted(bench: BakeoffBench, run: RunResult, features: FeatureCache) -> FittedContestant:
    saved = load_run(run.directory, choose_device(), features.backbone)
    row, counts = saved.config.method.row, run.card["parameters"]
    probabilities = predict(saved, bench.folder, bench.split, features if row.frozen_encoder else None).probabilities
    tries = 1 if row.takes_steps else len(PENALTIES) if row.summed else len(run.card["history"])
    return FittedContestant(
        probabilities, counts["trainable"], counts["total"], run.card["steps"] if row.takes_steps else 0, tries,
        run.metrics.get("validation_loss"), run.cost,
    )  # fmt: skip


def nearest_neighbours(
    bench: BakeoffBench, config: AdaptationConfig, out: Path, report: OnProgress
) -> FittedContestant:
    """Take the shares (N, C) of the classes among the nearest training images; their vectors are not kept."""
    check_adaptation(bench.folder, config, bench.backbone(config.backbone))
    features, rows = bench.frozen(config.backbone), bench.folder.rows("train")
    model = make_pipeline(StandardScaler(), Normalizer(), KNeighborsClassifier(min(NEIGHBOURS, len(rows))))
    model.fit(features.of(bench.folder, rows, report), bench.folder.labels(rows))
    shares = np.asarray(model.predict_proba(features.of(bench.folder, bench.rows, report)), np.float64)
    total = sum(weight.numel() for weight in features.backbone.model.parameters())
    return FittedContestant(shares, 0, total, 0, 1)


def raw_pixels(bench: BakeoffBench, config: AdaptationConfig, out: Path, report: OnProgress) -> FittedContestant:
    """Fit a head to the values of 16 x 16 areas of the images, without a network."""

    def examples(rows: list[SnapshotRow]) -> Examples:
        areas = adaptive_avg_pool2d(_scaled(bench.folder.pixels(rows), bench.folder.bits), RAW_SIDE).flatten(1)
        return make_examples(bench.folder, rows, lambda chosen: areas[chosen])

    train_rows, validation = bench.folder.rows("train"), bench.folder.rows("validation")
    train = examples(train_rows)
    head = StandardizedHead.fitted(train.inputs(np.arange(len(train_rows))), len(bench.folder.classes))
    held_out = measured_as_trained(examples(validation), config) if validation else None
    history = fit_closed_head(logistic, head, train, held_out, config)
    probabilities = predict_logits(head, examples(bench.rows), BATCH_SIZE).double().softmax(dim=1).numpy()
    size, loss = sum(weight.numel() for weight in head.parameters()), history.metrics.get("validation_loss")
    return FittedContestant(probabilities, size, size, 0, len(history.evaluations), loss)


class _Logits(nn.Module):
    """A classifier of transformers that gives its logits alone."""

    def __init__(self, network: ResNetForImageClassification) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(pixel_values=images).logits
        return logits


def small_cnn(bench: BakeoffBench, config: AdaptationConfig, out: Path, report: OnProgress) -> FittedContestant:
    """Train a small stock ResNet from random weights, all of it, with the loop and the budget of the others."""
    folder = bench.folder

    def examples(rows: list[SnapshotRow]) -> Examples:
        pixels = folder.pixels(rows)
        return make_examples(folder, rows, lambda chosen: _enlarged(_scaled(pixels[chosen], folder.bits) * 2 - 1))

    sizes = ResNetConfig(num_channels=folder.shape[2], num_labels=len(folder.classes), **CNN)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        network = _Logits(ResNetForImageClassification(sizes))
    validation = folder.rows("validation")
    checkpoint = Checkpoint(out / CHECKPOINTS / "small-cnn.pt", f"{config.digest()} on {folder.digest}")
    held_out = measured_as_trained(examples(validation), config) if validation else None
    task = FitTask(examples(folder.rows("train")), held_out, config, report, checkpoint)
    history = train_model(network, task)
    probabilities = predict_logits(network, examples(bench.rows), BATCH_SIZE).double().softmax(dim=1).numpy()
    size = sum(weight.numel() for weight in network.parameters())
    return FittedContestant(
        probabilities, size, size, history.steps, 1, history.metrics.get("validation_loss"), history.cost
    )


def _scaled(pixels: Pixels, bits: int) -> Tensor:
    """(N, H, W, C) stored values to (N, C, H, W) float32 in [0, 1]."""
    return torch.from_numpy(pixels.astype(np.float32) / (2**bits - 1)).permute(0, 3, 1, 2)


def _enlarged(images: Tensor) -> Tensor:
    side = max(images.shape[2:])
    if side >= CNN_SIDE:
        return images
    return interpolate(images, scale_factor=CNN_SIDE / side, mode="bilinear", align_corners=False)


CONTROL_FITS: dict[str, Fit] = {
    "k-nn": nearest_neighbours, "random-weights": random_weights, "raw-pixels": raw_pixels, "small-cnn": small_cnn,
}  # fmt: skip
