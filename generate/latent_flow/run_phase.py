"""Run a phase of a fit: AdamW, warm-up and cosine, moving average, one random generator per step."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from generate.latent_flow.recipe import FitRecipe
from train.fitting.checkpoint import CHECKPOINTS, Checkpoint
from train.fitting.moving_average import MovingAverage
from train.fitting.phase import Evaluate, OnFitProgress, Phase
from train.fitting.recipe import PhaseRecipe
from train.fitting.schedules import warmup_cosine
from train.fitting.seeding import step_generator

REPORT_EVERY = 10


def run_phase(
    name: str,
    model: nn.Module,
    phase_recipe: PhaseRecipe,
    recipe: FitRecipe,
    out: Path,
    fit: str,
    objective: Callable[[torch.Generator], torch.Tensor],
    evaluate: Evaluate,
    on_progress: OnFitProgress,
) -> Phase:
    """Fit `model` by `phase_recipe`, a part of `recipe`; `objective` draws random numbers from its generator.

    `fit` names the recipe, the images and the earlier weights of this phase: a checkpoint of another is refused.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=phase_recipe.learning_rate, weight_decay=phase_recipe.weight_decay, betas=(0.9, 0.99)
    )
    phase = Phase(
        name,
        model,
        optimizer,
        phase_recipe.steps,
        lambda step, initial: initial * warmup_cosine(step, phase_recipe.warmup_steps, phase_recipe.steps),
        checkpoint=Checkpoint(out / CHECKPOINTS / f"{name}.pt", fit),
        kept=MovingAverage(model, phase_recipe.ema_decay),
        remedy=f"Lower {name}.learning_rate, now {phase_recipe.learning_rate:g}, in the recipe (--recipe) and repeat.",
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
