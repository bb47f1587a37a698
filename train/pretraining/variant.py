"""One fit of one objective from a given backbone, and the probe of what it made."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from curation.digests import digest_of
from curation.errors import Conflict
from curation.files import whole_file
from curation.image_store import Pixels
from curation.progress import OnProgress
from train.backbones.load import Backbone
from train.fitting.checkpoint import Checkpoint
from train.fitting.device import choose_device
from train.fitting.phase import Phase
from train.fitting.schedules import warmup_cosine
from train.fitting.timing import OnEstimate
from train.pretraining.batch import TrainingBatch, make_batch
from train.pretraining.continued_recipe import ContinuedRecipe
from train.pretraining.fit import run_objective
from train.pretraining.objective_model import FitContext, ObjectiveModel
from train.pretraining.objective_table import ObjectiveConfig
from train.pretraining.objectives import anchored
from train.pretraining.objectives.implementation import Loss, find_objective
from train.pretraining.sampling import EVALUATION_STEP, choose_batch, pretraining_generator
from train.pretraining.tokens import load_backbone
from train.pretraining.trained_encoder import TrainedEncoder, save_backbone

SAMPLE = 128  # images that the deviations of a teacher's features are measured on
LOSSES = "losses.json"  # written last: a variant that has it is finished


@dataclass(frozen=True, slots=True)
class FittedImages:
    """The images of a fit with their labels, those kept from it, and the number of classes."""

    fitted: Pixels  # (N, H, W, C)
    labels: NDArray[np.int64]
    held_out: Pixels
    held_out_labels: NDArray[np.int64]
    n_classes: int
    source: Path  # the snapshot; names of backbones are those of its project

    def load_backbone(self, name: str, input_size: int | None) -> Backbone:
        """Load a backbone by its name in the project of the images."""
        return load_backbone(name, input_size, self.source)


def fit_variant(
    images: FittedImages,
    recipe: ContinuedRecipe,
    settings: ObjectiveConfig,
    directory: Path,
    folder_digest: str,
    on_progress: OnProgress,
    on_estimate: OnEstimate | None = None,
) -> list[dict[str, float]]:
    """Fit an objective and save the backbone in `directory`; returns its losses. A finished one is left alone.

    Raises Conflict where the folder holds a fit of another recipe, backbone or images.
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        backbone = images.load_backbone(recipe.backbone, recipe.input_size)
        belongs_to = digest_of([recipe.digest(), settings.digest(), folder_digest, backbone.digest])
        if (losses := read_losses(directory, belongs_to)) is not None:
            return losses
        model, loss, needs = prepare_objective(backbone, recipe, settings, images)
        checkpoint = Checkpoint(directory / "checkpoint.pt", belongs_to)
        losses = _fit(model, loss, needs, images, recipe, checkpoint, on_progress, on_estimate)
    save_backbone(model.encoder.merged(), directory)
    with whole_file(directory / LOSSES) as partial:
        partial.write_text(json.dumps({"belongs_to": belongs_to, "losses": losses}))
    return losses


def read_losses(directory: Path, belongs_to: str) -> list[dict[str, float]] | None:
    """Read the losses of a finished fit; None where it is not finished. Raises Conflict for another fit's."""
    if not (directory / LOSSES).is_file():
        return None
    content = json.loads((directory / LOSSES).read_text())
    if content["belongs_to"] != belongs_to:
        raise Conflict(
            f"{directory} belongs to a fit of another recipe or of other images. Finish that fit, delete its "
            "directory, or choose another."
        )
    losses: list[dict[str, float]] = content["losses"]
    return losses


def prepare_objective(
    backbone: Backbone, recipe: ContinuedRecipe, settings: ObjectiveConfig, images: FittedImages
) -> tuple[ObjectiveModel, Loss, tuple[str, ...]]:
    """Make the model of an objective, its loss, and what its batches must hold.

    Raises BadInput where network and objective do not go together.
    """
    context = FitContext(
        steps=recipe.steps,
        n_classes=images.n_classes,
        sample=backbone.preprocessing(images.fitted[:SAMPLE]),
        load_backbone=images.load_backbone,
    )
    objective = find_objective(settings)
    model = objective.make_model(TrainedEncoder.prepare(backbone, recipe), settings, context)
    if recipe.anchor == 0:
        return model, objective.loss, settings.batch_needs()
    start = images.load_backbone(recipe.backbone, recipe.input_size)
    model = anchored.AnchoredModel(model, start, objective.loss, recipe.anchor, context)
    return model, anchored.loss, (*settings.batch_needs(), *anchored.NEEDS)


def _fit(
    model: ObjectiveModel,
    loss: Loss,
    needs: tuple[str, ...],
    images: FittedImages,
    recipe: ContinuedRecipe,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
    on_estimate: OnEstimate | None,
) -> list[dict[str, float]]:
    device = choose_device()
    model.to(device)
    warmup_steps = max(1, round(recipe.steps * recipe.warmup_fraction))
    phase = Phase(
        recipe.objective.kind,
        model,
        torch.optim.AdamW(
            [weight for weight in model.parameters() if weight.requires_grad],
            lr=recipe.effective_learning_rate(),
            weight_decay=recipe.weight_decay,
        ),
        recipe.steps,
        learning_rate=lambda step, initial: initial * warmup_cosine(step, warmup_steps, recipe.steps),
        checkpoint=checkpoint,
        kept=model.kept_weights(recipe.steps),
        remedy=f"Repeat with a lower --learning-rate than {recipe.effective_learning_rate():g}.",
    )
    preprocess = model.encoder.backbone.preprocessing

    def batch_of(pixels: Pixels, labels: NDArray[np.int64], step: int) -> TrainingBatch:
        generator, progress = pretraining_generator(recipe.seed, step), max(0, step) / recipe.steps
        inputs, numbers = preprocess(pixels), torch.from_numpy(labels)
        batch = make_batch(needs, inputs, numbers, model.batch_shape, recipe.views, generator, progress)
        return batch.to(torch.device(device))

    def batch_of_step(step: int) -> TrainingBatch:
        chosen = choose_batch(recipe.seed, recipe.batch_size, len(images.fitted), step)
        return batch_of(images.fitted[chosen], images.labels[chosen], step)

    def held_out_batch() -> TrainingBatch:
        return batch_of(images.held_out, images.held_out_labels, EVALUATION_STEP)

    return run_objective(phase, loss, batch_of_step, held_out_batch, recipe.checkpoint_every, on_progress, on_estimate)
