"""Fit an objective: batches by step, losses on images kept from the fit, progress, checkpoints."""

from collections.abc import Callable

import torch
from torch import Tensor

from curation.progress import OnProgress
from train.fitting.phase import FitProgress, Phase
from train.fitting.timing import OnEstimate
from train.pretraining.batch import TrainingBatch
from train.pretraining.objectives.implementation import Loss
from train.pretraining.timing import estimate_objective

FIT = "fit"  # the directory of checkpoints inside that of a backbone, gone when the fit has finished
PROBES = "probes"  # what the probes said, inside that of checkpoints


def run_objective(
    phase: Phase,
    loss: Loss,
    make_batch: Callable[[int], TrainingBatch],
    make_held_out: Callable[[], TrainingBatch],
    every: int,
    on_progress: OnProgress,
    on_estimate: OnEstimate | None = None,
) -> list[dict[str, float]]:
    """Fit the model of `phase`, from its checkpoint if there is one; returns its losses after every `every` steps.

    `make_batch` makes the batch of a step, `make_held_out` always the same one of images that are not fitted;
    `on_estimate` is told before the first step how long it takes. Raises Diverged when a loss is no finite number.
    """

    def objective(step: int) -> Tensor:
        return loss(phase.model, make_batch(step))

    @torch.inference_mode()
    def evaluate(step: int) -> dict[str, float]:
        held_out = float(loss(phase.model, make_held_out()))
        return {"train": sum(phase.recent_losses) / len(phase.recent_losses), "held_out": held_out}

    def report(progress: FitProgress) -> None:
        on_progress(progress.step, progress.steps, f"loss {progress.loss:.4f}")

    if on_estimate is not None and not phase.checkpoint.path.exists():
        on_estimate(estimate_objective(phase, loss, make_batch, every))
    phase.run(objective, evaluate, report, evaluate_every=every, report_every=1, checkpoint_every=every)
    return [{"step": step, **losses} for step, losses in phase.evaluations]
