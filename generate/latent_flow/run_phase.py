"""Run one phase of a fit: AdamW with warm-up and cosine, a moving average, one random generator per step."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from generate.latent_flow.recipe import FitRecipe
from train.fitting.checkpoint import CHECKPOINTS, Checkpoint
from train.fitting.moving_average import MovingAverage
from train.fitting.phase import Evaluate, OnFitProgress, Phase, clipped_step, warmup_cosine
from train.fitting.recipe import PhaseRecipe
from train.fitting.seeding import step_generator

REPORT_EVERY = 10


def run_phase(
    name: str,
    model: nn.Module,
    own: PhaseRecipe,
    recipe: FitRecipe,
    out: Path,
    objective: Callable[[torch.Generator], torch.Tensor],
    evaluate: Evaluate,
    on_progress: OnFitProgress,
) -> Phase:
    """Fit `model` by `own`, the phase's part of `recipe`; `objective` draws everything random from its generator."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=own.learning_rate, weight_decay=own.weight_decay, betas=(0.9, 0.99)
    )
    phase = Phase(
        name,
        model,
        optimizer,
        own.steps,
        learning_rate=lambda step, initial: initial * warmup_cosine(step, own.warmup_steps, own.steps),
        take_step=clipped_step(model, optimizer),
        checkpoint=Checkpoint(out / CHECKPOINTS / f"{name}.pt", recipe.digest()),
        kept=MovingAverage(model, own.ema_decay),
    )
    phase.run(
        lambda step: objective(step_generator(recipe.seed, name, step)),
        evaluate,
        on_progress,
        evaluate_every=recipe.grid_every,
        report_every=REPORT_EVERY,
        checkpoint_every=recipe.checkpoint_every,
    )
    return phase
