"""Pretrain a small ViT on a snapshot's training subjects by masked autoencoding.

The encoder is saved as a stock `ViTModel`: config.json, model.safetensors, preprocessor_config.json, and card.json
beside them with everything the weights saw.
"""

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import ViTConfig, ViTMAEForPreTraining, ViTModel

from curation.errors import BadInput, Conflict, Diverged
from curation.files import whole_file
from curation.progress import OnProgress
from curation.provenance.seen import Seen
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.backbones.load import quiet_transformers, weights_digest
from train.backbones.preprocessing import Preprocessing
from train.fitting.checkpoint import Checkpoint
from train.fitting.device import choose_device
from train.fitting.phase import FitProgress, Phase
from train.pretraining.masked_autoencoder import (
    EVALUATION_STEP,
    NUM_CHANNELS,
    augment,
    choose_batch,
    encoder_shape,
    learning_rate,
    make_masked_autoencoder,
    pretraining_generator,
    reconstruction_loss,
)
from train.pretraining.recipe import PretrainRecipe

FIT = "fit"  # the directory of the checkpoint, gone when the fit has finished


@dataclass(frozen=True, slots=True)
class PretrainingImages:
    """The images of a fit, those kept from it, and how they become model input."""

    fitted: NDArray[Any]  # (N, H, W, C) at the stored depth
    held_out: NDArray[Any]
    preprocessing: Preprocessing


def pretrain_backbone(
    folder: SnapshotFolder,
    recipe: PretrainRecipe,
    out: Path,
    on_progress: OnProgress,
    made_by: str,
    date: str,
    *,
    allow_affected: bool = False,
) -> Path:
    """Fit a masked autoencoder on the real training images of `folder` and save its encoder; resumes if it was killed.

    `made_by` is the command and `date` the day for the card. Raises Conflict when `out` holds another finished
    backbone, BadInput when there are too few images, Diverged when a loss is no finite number; then nothing is left.
    """
    affected = refuse_affected(f"snapshot {folder.name!r}", folder.affected, allow_affected)
    if (out / "card.json").is_file():
        card = json.loads((out / "card.json").read_text())
        held = card.get("recipe"), card["fitted_on"].get("digest")
        if held != (recipe.model_dump(mode="json"), folder.digest):
            raise Conflict(f"{out} holds a backbone of another recipe or snapshot. Choose another directory.")
        shutil.rmtree(out / FIT, ignore_errors=True)
        return out
    images, rows = _prepare(folder, recipe)
    try:
        model, losses = _fit(images, recipe, folder, out, on_progress)
    except Diverged:
        remove_unfinished(out)
        raise
    save_encoder(model, recipe, out)
    (out / "preprocessor_config.json").write_text(json.dumps(images.preprocessing.as_config(), indent=2) + "\n")
    card = backbone_card(folder, recipe, rows, losses) | {
        "digest": weights_digest(out),
        "made_by": made_by,
        "date": date,
        "affected": affected,
    }
    with whole_file(out / "card.json") as partial:
        partial.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(out / FIT, ignore_errors=True)
    return out


def remove_unfinished(out: Path) -> None:
    """Remove what a fit that diverged left, and `out` where nothing else lies in it."""
    shutil.rmtree(out / FIT, ignore_errors=True)
    with suppress(OSError):
        out.rmdir()


def _prepare(folder: SnapshotFolder, recipe: PretrainRecipe) -> tuple[PretrainingImages, list[SnapshotRow]]:
    """Split the real training images into fitted and held-out ones, and set the preprocessing by them."""
    rows = [row for row in folder.rows("train") if row.origin == "real"]
    for split in ("validation", "test"):
        Seen.by_rows(rows).refuse_leak(folder.rows(split), split)
    if len(rows) <= recipe.held_out:
        raise BadInput(
            f"expected more than {recipe.held_out} real training images, got {len(rows)}. Lower held_out or add images."
        )
    if recipe.batch_size > len(rows) - recipe.held_out:
        raise BadInput(
            f"batch_size {recipe.batch_size} is more than the {len(rows) - recipe.held_out} images that are fitted "
            f"({len(rows)} less held_out {recipe.held_out}). Lower batch_size or held_out, or add images."
        )
    pixels = folder.pixels(rows)
    full_scale = float(np.iinfo(pixels.dtype).max)
    mean, std = float(pixels.mean()) / full_scale, float(pixels.std()) / full_scale
    if std == 0:
        raise BadInput("expected training images that differ, got one value in every pixel. Check the import.")
    size = (recipe.image_size, recipe.image_size)
    preprocessing = Preprocessing(
        size, (mean,) * NUM_CHANNELS, (std,) * NUM_CHANNELS, "bicubic", scale=1.0, num_channels=NUM_CHANNELS
    )
    order = torch.randperm(len(rows), generator=pretraining_generator(recipe.seed, EVALUATION_STEP)).numpy()
    fitted, held_out = order[recipe.held_out :], order[: recipe.held_out]
    return PretrainingImages(pixels[fitted], pixels[held_out], preprocessing), rows


def _fit(
    images: PretrainingImages, recipe: PretrainRecipe, folder: SnapshotFolder, out: Path, on_progress: OnProgress
) -> tuple[ViTMAEForPreTraining, list[dict[str, float]]]:
    """Fit a masked autoencoder; returns it and its losses at every checkpoint."""
    model = make_masked_autoencoder(recipe).to(choose_device())
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=recipe.weight_decay
    )
    phase = Phase(
        "masked autoencoder",
        model,
        optimizer,
        recipe.steps,
        learning_rate=lambda step, initial: learning_rate(recipe, step, initial),
        checkpoint=Checkpoint(out / FIT / "checkpoint.pt", f"{recipe.digest()} on {folder.digest}"),
        remedy=f"Lower learning_rate, now {recipe.learning_rate:g}, in the recipe (--recipe) and repeat.",
    )

    def objective(step: int) -> torch.Tensor:
        generator = pretraining_generator(recipe.seed, step)
        chosen = choose_batch(recipe, len(images.fitted), step)
        batch = augment(images.preprocessing(images.fitted[chosen]), recipe, generator)
        return reconstruction_loss(model, recipe, batch, generator)

    @torch.inference_mode()
    def evaluate(step: int) -> dict[str, float]:
        generator = pretraining_generator(recipe.seed, EVALUATION_STEP)  # always the same masks
        loss = float(reconstruction_loss(model, recipe, images.preprocessing(images.held_out), generator))
        return {"train": sum(phase.recent_losses) / len(phase.recent_losses), "held_out": loss}

    def report(progress: FitProgress) -> None:
        on_progress(progress.step, progress.steps, f"loss {progress.loss:.4f}")

    every = recipe.checkpoint_every
    phase.run(objective, evaluate, report, evaluate_every=every, report_every=1, checkpoint_every=every)
    return model, [{"step": step, **losses} for step, losses in phase.evaluations]


def save_encoder(model: ViTMAEForPreTraining, recipe: PretrainRecipe, out: Path) -> None:
    """Write the encoder as a stock `ViTModel`; the fixed sine-cosine positions become its position table."""
    config = ViTConfig(**encoder_shape(recipe), feature_pooling=recipe.feature_pooling)
    encoder = ViTModel(config, add_pooling_layer=False)
    encoder.load_state_dict(model.vit.state_dict())
    with quiet_transformers():
        encoder.save_pretrained(out)


def backbone_card(
    folder: SnapshotFolder, recipe: PretrainRecipe, rows: Sequence[SnapshotRow], losses: Sequence[dict[str, float]]
) -> dict[str, Any]:
    """Describe what the weights saw and how; the leak guards read `fitted_on`."""
    return {
        "name": recipe.name,
        "kind": "backbone",
        "classes": folder.classes,
        "shape": list(folder.shape),
        "bits": folder.bits,
        "notice": folder.notice,
        "fitted_on": {
            "snapshot": folder.name,
            "digest": folder.digest,
            "n_images": len(rows),
            "subjects": sorted({row.subject for row in rows if row.subject is not None}),
            "pixel_sha256": sorted({row.pixel_sha256 for row in rows}),
        },
        "recipe": recipe.model_dump(mode="json"),
        "losses": list(losses),
        "metrics": {"held_out_loss": losses[-1]["held_out"]},
    }
