"""Fit a model to labelled examples: weighted sampling, early stopping, the best weights kept."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from curation.progress import OnProgress
from train.adaptation.config import AdaptationConfig
from train.augmentation.mixing import mix_batch
from train.fitting.checkpoint import Checkpoint
from train.fitting.device import choose_device
from train.fitting.kept_weights import BestWeights
from train.fitting.phase import FitProgress, Phase, warmup_cosine
from train.fitting.seeding import step_generator

Views = Callable[[NDArray[np.int64], torch.Generator], Tensor]  # (B,) indexes to inputs, changed at random
KeepWeights = Callable[[nn.Module, str, int | None], BestWeights]


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled inputs by index: cached features for a frozen backbone, preprocessed images otherwise."""

    inputs: Callable[[NDArray[np.int64]], Tensor]  # (B,) indexes to (B, ...) model inputs
    labels: NDArray[np.int64]  # (N,)
    weights: NDArray[np.float64]  # (N,)
    class_weights: NDArray[np.float64] | None = None  # (n_classes,); None: every class weighs the same
    views: Views | None = None  # augmented inputs for training


@dataclass(frozen=True, slots=True)
class FitTask:
    """What a model is fitted to: examples, the configuration, where progress and checkpoints go."""

    train: Examples
    validation: Examples | None
    config: AdaptationConfig
    on_progress: OnProgress
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class History:
    """The course of a fit: losses at every evaluation, steps taken, the step whose weights are kept.

    `cost` is what the steps took: seconds each, and bytes beside the weights (gradients, optimiser, the best weights).
    `averages` says what became of the kept weights afterwards, and `measures` has the metrics of that on validation.
    """

    evaluations: list[dict[str, float]]
    steps: int
    best_step: int
    cost: dict[str, float] = field(default_factory=dict)
    averages: dict[str, Any] = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the weights that are kept."""
        best = next((point for point in self.evaluations if point["step"] == self.best_step), {})
        return {**best, **self.measures}


def sampling_probabilities(examples: Examples, class_balanced: bool) -> Tensor:
    """Compute the probability (N,) that an example is drawn: in proportion to its weight.

    If `class_balanced`, weights count within a class, and classes are drawn equally often or in proportion to their
    class weights.
    """
    weights = examples.weights.astype(np.float64)
    if class_balanced:
        weights = weights / np.bincount(examples.labels, weights=weights)[examples.labels]
        if examples.class_weights is not None:
            weights = weights * examples.class_weights[examples.labels]
    return torch.from_numpy(weights / weights.sum())


def predict_logits(model: nn.Module, examples: Examples, batch_size: int) -> Tensor:
    """Compute logits (N, n_classes) on the CPU, in eval mode and without gradients."""
    model.eval()
    device = next(model.parameters()).device
    indexes = np.arange(len(examples.labels))
    with torch.inference_mode():
        batches = [
            model(examples.inputs(indexes[start : start + batch_size]).to(device)).float().cpu()
            for start in range(0, len(indexes), batch_size)
        ]
    return torch.cat(batches)


def evaluate_loss(model: nn.Module, examples: Examples, batch_size: int) -> dict[str, float]:
    """Measure cross-entropy and accuracy on `examples`."""
    logits = predict_logits(model, examples, batch_size)
    labels = torch.from_numpy(examples.labels)
    accuracy = (logits.argmax(dim=1) == labels).double().mean()
    return {"validation_loss": float(cross_entropy(logits, labels)), "validation_accuracy": float(accuracy)}


def train_model(
    model: nn.Module,
    task: FitTask,
    *,
    rate_shares: Mapping[nn.Parameter, float] = MappingProxyType({}),
    keep: KeepWeights = BestWeights,
    penalty: Callable[[], Tensor] | None = None,
) -> History:
    """Fit `model` in place, from the checkpoint if there is one, to its best weights by validation loss.

    Without validation the last weights are kept. Which examples are drawn depends on the seed alone; the caller
    seeds torch for initial weights and dropout. `rate_shares` lowers the learning rate of single weights; `keep`
    does more after a step than to keep the best weights, and `penalty` is added to the loss.
    """
    train, validation, config = task.train, task.validation, task.config
    total = config.total_steps(len(train.labels))
    evaluate_every = max(1, total // config.evaluations)
    warmup_steps = max(1, round(total * config.warmup_fraction))
    device = choose_device()
    model.to(device)
    rate = config.effective_learning_rate()
    groups = [{"params": weights, "lr": rate * share} for share, weights in _by_share(model, rate_shares).items()]
    optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=config.weight_decay)
    generator = torch.Generator().manual_seed(config.seed)
    probabilities = sampling_probabilities(train, config.class_balanced)
    patience_steps = None if config.patience is None else config.patience * evaluate_every
    best = keep(model, "validation_loss", patience_steps)

    begun: list[float] = []

    def objective(step: int) -> Tensor:
        begun.append(time.monotonic())
        chosen = torch.multinomial(probabilities, config.batch_size, replacement=True, generator=generator)
        inputs, targets = make_batch(train, chosen, config, step)
        loss = cross_entropy(model(inputs.to(device)), targets.to(device))
        return loss if penalty is None else loss + penalty()

    phase = Phase(
        "adaptation",
        model,
        optimizer,
        total,
        learning_rate=lambda step, initial: initial * warmup_cosine(step, warmup_steps, total),
        checkpoint=task.checkpoint,
        kept=best,
        generator=generator,
        max_gradient_norm=None,
        remedy=f"Repeat with a lower --learning-rate than {config.effective_learning_rate():g}, under the same name.",
    )

    def evaluate(step: int) -> dict[str, float]:
        measures = {"train_loss": float(np.mean(phase.recent_losses))}
        return measures if validation is None else measures | evaluate_loss(model, validation, config.batch_size)

    def report(progress: FitProgress) -> None:
        task.on_progress(progress.step, progress.steps, f"loss {progress.measures['train_loss']:.3f}")

    every = evaluate_every
    phase.run(objective, evaluate, report, evaluate_every=every, report_every=every, checkpoint_every=every)
    evaluations = [{"step": float(step), **measures} for step, measures in phase.evaluations]
    return History(evaluations, phase.step, best.step, _cost(optimizer, best, begun))


def make_batch(train: Examples, chosen: Tensor, config: AdaptationConfig, step: int) -> tuple[Tensor, Tensor]:
    """Make inputs (B, ...) of chosen examples, changed and mixed as the configuration says, and their targets.

    Targets are labels (B,), or shares of classes (B, n_classes) where images are mixed. What is random comes from the
    seed and the number of the step alone.
    """
    generator = step_generator(config.seed, "augmentation", step)
    indexes = chosen.numpy()
    inputs = train.views(indexes, generator) if train.views else train.inputs(indexes)
    targets = torch.from_numpy(train.labels)[chosen]
    if config.mix == "none":
        return inputs, targets
    shares = one_hot(targets, int(train.labels.max()) + 1).float()
    return mix_batch(config.mix, config.mix_alpha, inputs, shares, generator)


def _by_share(model: nn.Module, shares: Mapping[nn.Parameter, float]) -> dict[float, list[nn.Parameter]]:
    """Group the weights that train by their share of the learning rate, each group in the order of the model."""
    groups: dict[float, list[nn.Parameter]] = {}
    for weight in model.parameters():
        if weight.requires_grad:
            groups.setdefault(shares.get(weight, 1.0), []).append(weight)
    return groups


def _cost(optimizer: torch.optim.Optimizer, best: BestWeights, begun: list[float]) -> dict[str, float]:
    """What the steps of this process took; evaluations between steps do not count in the median."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    states = [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]
    size = sum(tensor.numel() * tensor.element_size() for tensor in [*weights, *states, *best.weights.values()])
    return {"extra_bytes": size} | ({"step_s": float(np.median(np.diff(begun)))} if len(begun) > 2 else {})
