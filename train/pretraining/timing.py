"""Estimate how long a pretraining takes on this machine, from a few steps on its own images."""

import copy
import time
from collections.abc import Callable

import torch

from curation.progress import Clock
from train.fitting.phase import Phase
from train.fitting.timing import WORTH_STEPS, FitEstimate, PhaseEstimate, time_steps
from train.pretraining.batch import TrainingBatch
from train.pretraining.objectives.implementation import Loss


def estimate_objective(
    phase: Phase, loss: Loss, make_batch: Callable[[int], TrainingBatch], every: int, clock: Clock = time.monotonic
) -> FitEstimate | None:
    """Estimate the fit of `phase` from steps of a copy of its model; an evaluation counts as a step.

    None where the fit is over so soon that nobody needs to know.
    """
    if phase.steps < WORTH_STEPS:
        return None
    device = str(next(phase.model.parameters()).device)
    with torch.random.fork_rng():
        timed = copy.deepcopy(phase.model)
        timed.train()
        step_s = time_steps(timed, lambda: loss(timed, make_batch(0)), device, clock)
    evaluations = -(-phase.steps // every)
    return FitEstimate(device, (PhaseEstimate(phase.name, phase.steps, step_s, evaluations * step_s),))
