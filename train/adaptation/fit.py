"""Fit a model to labelled examples step by step, with early stopping, the best weights kept."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from curation.progress import OnProgress
from train.adaptation.batch_loss import BatchLoss
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples, evaluate_loss
from train.fitting.checkpoint import Checkpoint
from train.fitting.curve import add_point, curve_beside
from train.fitting.device import choose_device
from train.fitting.kept_weights import BestWeights, KeptWeights
from train.fitting.phase import FitProgress, Phase
from train.fitting.schedules import SCHEDULES

KeepWeights = Callable[[nn.Module, str, int | None, int, KeptWeights | None], BestWeights]


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
    `facts` are what the card says beside it: a shortage of memory, what became of the kept weights afterwards; and
    `measures` has the metrics of that on validation.
    """

    evaluations: list[dict[str, float]]
    steps: int
    best_step: int
    cost: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the weights that are kept."""
        best = next((point for point in self.evaluations if point["step"] == self.best_step), {})
        return {**best, **self.measures}


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
    validation, config = task.validation, task.config
    total = config.total_steps(len(task.train.labels))
    evaluate_every = max(1, total // config.evaluations)
    warmup_steps = max(1, round(total * config.warmup_fraction))
    schedule = SCHEDULES[config.schedule]
    model.to(choose_device())
    rate = config.effective_learning_rate()
    groups = [{"params": weights, "lr": rate * share} for share, weights in _by_share(model, rate_shares).items()]
    optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=config.weight_decay)
    generator = torch.Generator().manual_seed(config.seed)
    stopping = config.patience_steps(len(task.train.labels)), config.min_steps(len(task.train.labels))
    best = keep(model, "validation_loss", *stopping, _average(model, config.ema_decay))
    batch_loss = BatchLoss(model, task.train, config, generator, penalty)
    begun: list[float] = []

    def objective(step: int) -> Tensor:
        begun.append(time.monotonic())
        return batch_loss(step)

    def make_room(error: RuntimeError) -> None:
        batch_loss.halve(error)
        task.on_progress(phase.step, total, f"out of memory: {_portions(batch_loss)}")

    phase = Phase(
        "adaptation",
        model,
        optimizer,
        total,
        learning_rate=lambda step, initial: initial * schedule(step, warmup_steps, total),
        checkpoint=task.checkpoint,
        kept=best,
        generator=generator,
        max_gradient_norm=config.max_gradient_norm,
        remedy=f"Repeat with a lower --learning-rate than {rate:g}, under the same name.",
        make_room=None if config.method.row.frozen_encoder else make_room,
    )

    def evaluate(step: int) -> dict[str, float]:
        measures = {"train_loss": float(np.mean(phase.recent_losses))}
        if validation is None:
            return measures
        return measures | evaluate_loss(model, validation, batch_loss.images_at_once)

    curve = curve_beside(task.checkpoint.path, "adaptation")

    def report(progress: FitProgress) -> None:
        add_point(curve, progress.step, progress.measures)
        task.on_progress(progress.step, progress.steps, f"loss {progress.measures['train_loss']:.3f}")

    every = evaluate_every
    phase.run(objective, evaluate, report, evaluate_every=every, report_every=every, checkpoint_every=every)
    evaluations = [{"step": float(step), **measures} for step, measures in phase.evaluations]
    shortage = {"out_of_memory": _portions(batch_loss)} if batch_loss.portions > config.accumulation else {}
    return History(evaluations, phase.step, best.step, _cost(optimizer, best, begun), shortage)


def _portions(batch_loss: BatchLoss) -> str:
    """Say how a batch is divided."""
    return f"{batch_loss.images_at_once} images at a time, a batch in {batch_loss.portions} portions"


def _average(model: nn.Module, decay: float) -> KeptWeights | None:
    """The moving average of the weights; None where there is to be none."""
    if not decay:
        return None
    from train.fitting.moving_average import MovingAverage

    return MovingAverage(model, decay)


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
