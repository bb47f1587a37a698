"""Pretrain a small ViT from random weights by masked autoencoding.

It sees the real training images of a snapshot. The encoder is saved as a stock `ViTModel`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import ViTConfig, ViTMAEForPreTraining, ViTModel

from curation.errors import BadInput
from curation.progress import OnProgress, within_step
from curation.provenance.seen import Seen
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.backbones.load import Backbone, quiet_transformers
from train.backbones.preprocessing import Preprocessing
from train.fitting.checkpoint import Checkpoint, remove_unfinished_weights
from train.fitting.device import choose_device
from train.fitting.phase import Phase
from train.fitting.timing import OnEstimate
from train.pretraining.batch import TrainingBatch
from train.pretraining.fit import FIT, PROBES, run_objective
from train.pretraining.masked_autoencoder import (
    NUM_CHANNELS,
    augment,
    encoder_shape,
    learning_rate,
    make_masked_autoencoder,
)
from train.pretraining.objective_table import MaskedAutoencoding
from train.pretraining.objectives.implementation import find_objective
from train.pretraining.probe import Probabilities, ProbeSet
from train.pretraining.recipe import ImageRecipe, PretrainRecipe, refuse_few_images
from train.pretraining.report import Report, VariantResult
from train.pretraining.result_folder import describe_fit
from train.pretraining.sampling import EVALUATION_STEP, choose_batch, pretraining_generator, split_held_out

PROBE_IMAGES = 2_000  # real training images that the probes are fitted to


@dataclass(frozen=True, slots=True)
class PretrainingImages:
    """The images of a fit, those kept from it, and how they become model input."""

    fitted: NDArray[Any]  # (N, H, W, C) at the stored depth
    held_out: NDArray[Any]
    preprocessing: Preprocessing


def pretrain_from_nothing(
    folder: SnapshotFolder,
    recipe: PretrainRecipe,
    out: Path,
    on_progress: OnProgress,
    on_estimate: OnEstimate | None = None,
    *,
    force: bool,
) -> dict[str, Any]:
    """Fit a masked autoencoder and save its encoder in `out`; returns the content of the card.

    Raises BadInput below 30,000 images unless `force`, or when there are too few for the recipe; Diverged.
    """
    refuse_few_images(folder, force)
    rows = choose_rows(folder, recipe)
    images = split_images(folder, recipe, rows)
    probes, why_none = ProbeSet.choose_or_explain(folder, PROBE_IMAGES, recipe.seed)
    random_weights, kept = out / FIT / "random", out / FIT / PROBES
    save_encoder(make_masked_autoencoder(recipe), recipe, images.preprocessing, random_weights)

    def probe(directory: Path, which: str, done: int) -> Probabilities | None:
        report = within_step(on_progress, done, recipe.steps, f"probe {which}")
        backbone = Backbone.load(directory, choose_device())
        return probes.probabilities(backbone, kept, report) if probes else None

    before = probe(random_weights, "before", 0)
    model, losses = _fit(images, recipe, folder, out, on_progress, on_estimate)
    save_encoder(model, recipe, images.preprocessing, out)
    after, kind, seen = probe(out, "after", recipe.steps), MaskedAutoencoding.kind_name(), Seen.by_rows(rows)
    comparison = probes.compare(before, after, 1) if probes and before is not None and after is not None else None
    result = VariantResult(kind, out, losses, comparison)
    report = Report(recipe.name, kind, None, [result], result, why_none)
    report.write(out, folder, seen)
    return describe_fit(folder, recipe, recipe.name, len(rows), seen, losses) | report.findings()


def choose_rows(folder: SnapshotFolder, recipe: ImageRecipe) -> list[SnapshotRow]:
    """Choose the real training images; raises BadInput when they are too few, LeakRefused for a held-out subject."""
    rows = [row for row in folder.rows("train") if row.origin == "real"]
    for split in ("validation", "test"):
        Seen.by_rows(rows).refuse_leak(folder.rows(split), split)
    check_counts(len(rows), recipe.held_out, recipe.batch_size)
    return rows


def check_counts(n_images: int, held_out: int, batch_size: int) -> None:
    """Raise BadInput where too few images are left to fit when some are kept from it."""
    if n_images <= held_out:
        raise BadInput(
            f"expected more than {held_out} real training images, got {n_images}. Lower held_out or add images."
        )
    if batch_size > n_images - held_out:
        raise BadInput(
            f"batch_size {batch_size} is more than the {n_images - held_out} images that are fitted "
            f"({n_images} less held_out {held_out}). Lower batch_size or held_out, or add images."
        )


def split_images(folder: SnapshotFolder, recipe: ImageRecipe, rows: Sequence[SnapshotRow]) -> PretrainingImages:
    """Split the images into fitted and held-out ones, and set the preprocessing by them."""
    pixels = folder.pixels(rows)
    full_scale = float(np.iinfo(pixels.dtype).max)
    mean, std = float(pixels.mean()) / full_scale, float(pixels.std()) / full_scale
    if std == 0:
        raise BadInput("expected training images that differ, got one value in every pixel. Check the import.")
    size = (recipe.image_size, recipe.image_size)
    preprocessing = Preprocessing(
        size, (mean,) * NUM_CHANNELS, (std,) * NUM_CHANNELS, "bicubic", scale=1.0, num_channels=NUM_CHANNELS
    )
    fitted, held_out = split_held_out(recipe.seed, len(rows), recipe.held_out)
    return PretrainingImages(pixels[fitted], pixels[held_out], preprocessing)


def _fit(
    images: PretrainingImages,
    recipe: PretrainRecipe,
    folder: SnapshotFolder,
    out: Path,
    on_progress: OnProgress,
    on_estimate: OnEstimate | None,
) -> tuple[ViTMAEForPreTraining, list[dict[str, float]]]:
    """Fit a masked autoencoder; returns it and its losses at every checkpoint."""
    device = choose_device()
    model = make_masked_autoencoder(recipe).to(device)
    phase = Phase(
        "masked autoencoder",
        model,
        torch.optim.AdamW(
            model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=recipe.weight_decay
        ),
        recipe.steps,
        learning_rate=lambda step, initial: learning_rate(recipe, step, initial),
        checkpoint=Checkpoint(out / FIT / "checkpoint.pt", f"{recipe.digest()} on {folder.digest}"),
        remedy=f"Lower learning_rate, now {recipe.learning_rate:g}, in the recipe (--recipe) and repeat.",
    )

    def batch_of(inputs: torch.Tensor, generator: torch.Generator) -> TrainingBatch:
        noise = torch.rand(len(inputs), recipe.num_patches, generator=generator)
        return TrainingBatch(images=inputs, noise=noise).to(torch.device(device))

    def make_batch(step: int) -> TrainingBatch:
        generator = pretraining_generator(recipe.seed, step)
        chosen = choose_batch(recipe.seed, recipe.batch_size, len(images.fitted), step)
        inputs = images.preprocessing(images.fitted[chosen])
        return batch_of(augment(inputs, recipe.shift_pixels, recipe.flip, generator), generator)

    def make_held_out() -> TrainingBatch:
        always = pretraining_generator(recipe.seed, EVALUATION_STEP)  # the same masks
        return batch_of(images.preprocessing(images.held_out), always)

    loss = find_objective(MaskedAutoencoding()).loss
    every = recipe.checkpoint_every
    return model, run_objective(phase, loss, make_batch, make_held_out, every, on_progress, on_estimate)


def save_encoder(model: ViTMAEForPreTraining, recipe: PretrainRecipe, preprocessing: Preprocessing, out: Path) -> None:
    """Write the encoder as a stock `ViTModel`; the fixed sine-cosine positions become its position table."""
    config = ViTConfig(**encoder_shape(recipe), feature_pooling=recipe.feature_pooling)
    encoder = ViTModel(config, add_pooling_layer=False)
    encoder.load_state_dict(model.vit.state_dict())
    remove_unfinished_weights(out)
    with quiet_transformers():
        encoder.save_pretrained(out)
    (out / "preprocessor_config.json").write_text(json.dumps(preprocessing.as_config(), indent=2) + "\n")
