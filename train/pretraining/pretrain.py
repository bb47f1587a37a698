"""Pretrain a small ViT on a snapshot's training subjects by masked autoencoding.

The encoder is saved as a stock `ViTModel`: config.json, model.safetensors, preprocessor_config.json, and card.json
beside them with everything the weights saw.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import ViTConfig, ViTMAEForPreTraining, ViTModel

from curation.errors import BadInput, Conflict
from curation.progress import OnProgress
from curation.provenance.seen import Seen
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.backbones.load import quiet_transformers, weights_digest
from train.backbones.preprocessing import Preprocessing
from train.pretraining.masked_autoencoder import EVALUATION_STEP, NUM_CHANNELS, MaskedAutoencoderFit, step_generator
from train.pretraining.recipe import PretrainRecipe


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
    backbone, BadInput when there are too few images.
    """
    affected = refuse_affected(f"snapshot {folder.name!r}", folder.affected, allow_affected)
    if (out / "card.json").is_file():
        if json.loads((out / "card.json").read_text())["recipe"] != recipe.model_dump(mode="json"):
            raise Conflict(f"{out} holds a backbone of another recipe. Choose another directory.")
        return out
    fit, rows = _prepare(folder, recipe)
    checkpoint = out / "fit" / "checkpoint.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if checkpoint.is_file():
        fit.resume(checkpoint)
    while fit.step < recipe.steps:
        loss = fit.advance()
        if fit.step % recipe.checkpoint_every == 0 or fit.step == recipe.steps:
            fit.save(checkpoint)
        on_progress(fit.step, recipe.steps, f"loss {loss:.4f}")
    save_encoder(fit.model, recipe, out)
    (out / "preprocessor_config.json").write_text(json.dumps(fit.preprocessing.as_config(), indent=2) + "\n")
    card = backbone_card(folder, recipe, rows, fit.losses) | {
        "digest": weights_digest(out),
        "made_by": made_by,
        "date": date,
        "affected": affected,
    }
    (out / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(checkpoint.parent)
    return out


def _prepare(folder: SnapshotFolder, recipe: PretrainRecipe) -> tuple[MaskedAutoencoderFit, list[SnapshotRow]]:
    rows = [row for row in folder.rows("train") if row.origin == "real"]
    for split in ("validation", "test"):
        Seen.by_rows(rows).refuse_leak(folder.rows(split), split)
    if len(rows) <= recipe.held_out:
        raise BadInput(
            f"expected more than {recipe.held_out} real training images, got {len(rows)}. Lower held_out or add images."
        )
    pixels = folder.pixels(rows)
    full_scale = float(np.iinfo(pixels.dtype).max)
    mean, std = float(pixels.mean()) / full_scale, float(pixels.std()) / full_scale
    if std == 0:
        raise BadInput("every training image has one and the same value. Check the import.")
    size = (recipe.image_size, recipe.image_size)
    preprocessing = Preprocessing(
        size, (mean,) * NUM_CHANNELS, (std,) * NUM_CHANNELS, "bicubic", scale=1.0, num_channels=NUM_CHANNELS
    )
    order = torch.randperm(len(rows), generator=step_generator(recipe.seed, EVALUATION_STEP)).numpy()
    fitted, held_out = order[recipe.held_out :], order[: recipe.held_out]
    return MaskedAutoencoderFit(recipe, pixels[fitted], pixels[held_out], preprocessing), rows


def save_encoder(model: ViTMAEForPreTraining, recipe: PretrainRecipe, out: Path) -> None:
    """Write the encoder as a stock `ViTModel`; the fixed sine-cosine positions become its position table."""
    config = ViTConfig(
        image_size=recipe.image_size,
        patch_size=recipe.patch_size,
        num_channels=NUM_CHANNELS,
        hidden_size=recipe.hidden_size,
        num_hidden_layers=recipe.num_layers,
        num_attention_heads=recipe.num_heads,
        intermediate_size=4 * recipe.hidden_size,
        feature_pooling=recipe.feature_pooling,
    )
    encoder = ViTModel(config, add_pooling_layer=False)
    encoder.load_state_dict(model.vit.state_dict())
    with quiet_transformers():
        encoder.save_pretrained(out)


def backbone_card(
    folder: SnapshotFolder, recipe: PretrainRecipe, rows: Sequence[SnapshotRow], losses: Sequence[dict[str, float]]
) -> dict[str, Any]:
    """What the weights saw and how: the leak guards read `fitted_on`."""
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
