"""Train what a method trains on a snapshot: the head on kept features, or the encoder on images."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from curation.image_store import Pixels
from curation.progress import OnProgress, silent
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.adaptation.averages import fit_and_average
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples, Views, measured_as_trained
from train.adaptation.fit import FitTask, History
from train.adaptation.methods.closed_heads import fit_closed_head, logistic
from train.adaptation.methods.implementation import find_implementation
from train.adaptation.model import AdaptedModel, StandardizedHead
from train.adaptation.solved import solve_head
from train.adaptation.synthetic_use import fit_by_use, weigh_synthetic
from train.augmentation.presets import NONE
from train.backbones.load import Backbone
from train.backbones.names import portable_name
from train.features.feature_cache import FeatureCache
from train.fitting.checkpoint import Checkpoint

STANDARDIZATION_IMAGES = 512


def train(
    folder: SnapshotFolder,
    config: AdaptationConfig,
    cache: FeatureCache,
    on_progress: OnProgress,
    checkpoint: Checkpoint,
) -> tuple[AdaptedModel, History]:
    """Train what the method trains, from the seed of the configuration."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        if config.method.row.summed:
            return solve_head(folder, config, cache, on_progress)
        if config.method.row.frozen_encoder:
            return _train_head(folder, config, cache, on_progress, checkpoint)
        return _train_encoder(folder, config, cache, on_progress, checkpoint)


def make_examples(
    folder: SnapshotFolder, rows: Sequence[SnapshotRow], inputs: Callable[[NDArray[np.int64]], Tensor]
) -> Examples:
    """Make examples of rows of a snapshot, with the weights of its images and classes."""
    weights = np.array([row.weight for row in rows], dtype=np.float64)
    by_class = folder.manifest.get("recipe", {}).get("weights", {}).get("classes", {})
    class_weights = np.array([by_class.get(name, 1.0) for name in folder.classes], dtype=np.float64)
    return Examples(inputs, folder.labels(rows), weights, class_weights)


def _train_head(
    folder: SnapshotFolder,
    config: AdaptationConfig,
    cache: FeatureCache,
    on_progress: OnProgress,
    checkpoint: Checkpoint,
) -> tuple[AdaptedModel, History]:
    """Train the head alone, on features computed once."""
    implementation = find_implementation(config.method)
    name = portable_name(config.backbone, cache.backbone.directory)
    backbone = implementation.prepare(cache.backbone, config.method, name)

    def examples(rows: Sequence[SnapshotRow]) -> Examples:
        features = torch.from_numpy(cache.of(folder, rows, on_progress))
        return make_examples(folder, rows, lambda chosen: features[chosen])

    train_rows, validation_rows = folder.rows("train"), folder.rows("validation")
    is_synthetic = np.array([row.origin == "synthetic" for row in train_rows], bool)
    train = weigh_synthetic(examples(train_rows), is_synthetic, config)
    head = StandardizedHead.fitted(train.inputs(np.arange(len(train_rows))), len(folder.classes))
    head.to(backbone.device)
    validation = measured_as_trained(examples(validation_rows), config) if validation_rows else None

    def fit(chosen: Examples, settings: AdaptationConfig, at: Checkpoint) -> History:
        return implementation.fit(head, FitTask(chosen, validation, settings, on_progress, at))

    return AdaptedModel(backbone, head), fit_by_use(fit, train, is_synthetic, config, checkpoint)


def _train_encoder(
    folder: SnapshotFolder,
    config: AdaptationConfig,
    cache: FeatureCache,
    on_progress: OnProgress,
    checkpoint: Checkpoint,
) -> tuple[AdaptedModel, History]:
    """Train the head and the encoder, or its adapter; the head starts from the frozen features' mean and deviation."""
    backbone = cache.backbone

    def examples(rows: Sequence[SnapshotRow], images: Pixels) -> Examples:
        return make_examples(folder, rows, lambda chosen: backbone.preprocessing(images[chosen]))

    train_rows, validation_rows = folder.rows("train"), folder.rows("validation")
    pixels: Pixels = folder.pixels(train_rows)
    sample = train_rows[:: max(1, len(train_rows) // STANDARDIZATION_IMAGES)]
    frozen = torch.from_numpy(cache.of(folder, sample, silent))
    head = StandardizedHead.fitted(frozen, len(folder.classes)).to(backbone.device)
    name = portable_name(config.backbone, backbone.directory)
    start = _start_from_probe(head, folder, config, cache, on_progress) if config.start == "probe" else {}
    implementation = find_implementation(config.method)
    if config.gradient_checkpointing:
        backbone.model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    adapted = implementation.prepare(backbone, config.method, name)
    model = AdaptedModel(adapted, head, fixed_statistics=config.start == "probe").to(backbone.device)
    is_synthetic = np.array([row.origin == "synthetic" for row in train_rows], bool)
    train = weigh_synthetic(examples(train_rows, pixels), is_synthetic, config)
    train = replace(train, views=make_views(folder, pixels, backbone, config))
    validation = None
    if validation_rows:
        validation = measured_as_trained(examples(validation_rows, folder.pixels(validation_rows)), config)

    def fit(chosen: Examples, settings: AdaptationConfig, at: Checkpoint) -> History:
        return implementation.fit(model, FitTask(chosen, validation, settings, on_progress, at))

    def fit_once(settings: AdaptationConfig, at: Checkpoint) -> History:
        return fit_by_use(fit, train, is_synthetic, settings, at)

    history = fit_and_average(fit_once, model, validation, config, checkpoint)
    return model, replace(history, facts=start | history.facts)


def make_views(folder: SnapshotFolder, pixels: Pixels, backbone: Backbone, config: AdaptationConfig) -> Views | None:
    """The inputs of training images changed as the preset allows; None without one."""
    if config.augment == NONE:
        return None
    from train.augmentation.views import Augmentation

    augmentation = Augmentation(config.augment, folder.shape[:2])
    return lambda chosen, generator: backbone.preprocessing(augmentation.views(pixels[chosen], generator))


def _start_from_probe(
    head: StandardizedHead,
    folder: SnapshotFolder,
    config: AdaptationConfig,
    cache: FeatureCache,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Fit the head to frozen features first: a random one would send wrong gradients into the encoder (LP-FT).

    Kumar et al. 2022, arXiv:2202.10054. Returns what the probe measures on validation.
    """

    def examples(rows: Sequence[SnapshotRow]) -> Examples:
        features = torch.from_numpy(cache.of(folder, rows, on_progress))
        return make_examples(folder, rows, lambda chosen: features[chosen])

    validation_rows = folder.rows("validation")
    validation = measured_as_trained(examples(validation_rows), config) if validation_rows else None
    history = fit_closed_head(logistic, head, examples(folder.rows("train")), validation, config)
    return {"start": history.metrics}
