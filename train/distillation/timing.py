"""Estimate how long a distillation takes on this machine: the teacher on its images, then the steps."""

import time
from pathlib import Path

import numpy as np
import torch

from curation.image_store import Pixels
from curation.progress import Clock
from train.backbones.load import Backbone
from train.distillation.recipe import DistilRecipe
from train.distillation.student import make_student
from train.distillation.teacher_features import BATCH, count_missing
from train.fitting.timing import FORWARD_SHARE, WORTH_STEPS, FitEstimate, PhaseEstimate, time_steps
from train.pretraining.from_nothing import PretrainingImages
from train.pretraining.objectives.feature_distillation import Features, feature_loss, summarize


def estimate_distillation(
    recipe: DistilRecipe,
    teacher: Backbone,
    images: PretrainingImages,
    fitted_features: Path,
    held_out_features: Path,
    clock: Clock = time.monotonic,
) -> FitEstimate | None:
    """Estimate the features that are not in these directories yet, and all steps; None where it is over soon."""
    if recipe.steps < WORTH_STEPS:
        return None
    image_s, wanted = _time_teacher(recipe, teacher, images.fitted[:BATCH], clock)
    device, batch = str(teacher.device), np.arange(recipe.batch_size) % len(images.fitted)
    student = make_student(recipe, wanted.whole.shape[1], wanted.patches.shape[2]).to(device)
    inputs = images.preprocessing(images.fitted[batch]).to(device)
    targets = Features(*(features.expand(len(batch), *features.shape[1:]) for features in wanted))
    with torch.random.fork_rng():
        step_s = time_steps(student, lambda: feature_loss(student(inputs), targets, recipe.patch_weight), device, clock)
    missing = count_missing(len(images.fitted), fitted_features)
    missing += count_missing(len(images.held_out), held_out_features)
    evaluation_s = step_s * FORWARD_SHARE * len(images.held_out) / recipe.batch_size
    evaluations = -(-recipe.steps // recipe.checkpoint_every)
    return FitEstimate(
        device,
        (
            PhaseEstimate("features of the teacher", missing, image_s, unit="images"),
            PhaseEstimate("distillation", recipe.steps, step_s, evaluations * evaluation_s),
        ),
    )


@torch.no_grad()
def _time_teacher(recipe: DistilRecipe, teacher: Backbone, pixels: Pixels, clock: Clock) -> tuple[float, Features]:
    """Time the teacher on a batch after warming up; returns seconds an image, and features to learn."""
    inputs = teacher.preprocessing(pixels).to(teacher.device)
    teacher.tokens(inputs)
    began = clock()
    tokens = teacher.tokens(inputs)
    image_s = (clock() - began) / len(pixels)
    size = tokens.patches.shape[2]
    return image_s, Features(summarize(tokens)[:1], tokens.patches.new_zeros(1, recipe.grid**2, size))
