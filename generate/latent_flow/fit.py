"""Fit a generator on a snapshot folder: autoencoder, flow on its latents, pipeline, card.

Only rows of the train split are fitted, sampled as often as the snapshot weighs them. Validation rows are measured.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from curation.errors import BadInput, Conflict, Diverged
from curation.provenance.seen import Seen
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from generate.canvas import Canvas
from generate.card import describe_fitted_images, list_ancestors, read_card, weights_digest, write_card
from generate.latent_flow.autoencoder_source import AutoencoderSource
from generate.latent_flow.fit_autoencoder import fit_autoencoder, make_autoencoder, reuse_autoencoder
from generate.latent_flow.fit_flow import fit_flow, make_pipeline, make_unet
from generate.latent_flow.fit_images import FitImages, load_images
from generate.latent_flow.recipe import FitRecipe
from generate.pipelines.autoencoder import ImageAutoencoder
from generate.pipelines.sizes import DOWNSAMPLING
from train.fitting.checkpoint import CHECKPOINTS, remove_checkpoints, remove_unfinished_weights
from train.fitting.phase import OnFitProgress

CLAIM = "fit.json"


class FittedPart(NamedTuple):
    """What the card says of a phase: mean losses, and measures by step."""

    losses: list[tuple[int, float]]
    evaluations: list[tuple[int, dict[str, float]]]


def fit_generator(
    folder: SnapshotFolder,
    recipe: FitRecipe,
    out: Path,
    on_progress: OnFitProgress = lambda progress: None,
    *,
    name: str | None = None,
    made_by: str = "generate.latent_flow.fit.fit_generator",
    date: str | None = None,
    device: str = "cpu",
    allow_affected: bool = False,
    autoencoder_from: AutoencoderSource | None = None,
) -> Path:
    """Fit on `folder` by `recipe` into `out` and return `out`: a pipeline in diffusers layout, recipe.json, card.json.

    Checkpoints lie in out/checkpoints until the end, grids in out/grids. Called again after a kill, it continues;
    after the end, it returns at once. With `autoencoder_from` the autoencoder is that generator's and only the flow is
    fitted; what it saw counts as seen by this one. Raises BadInput when recipe and images do not go together, Conflict
    when `out` belongs to another recipe or snapshot, LeakRefused when a held-out subject would be fitted, directly or
    through a generator, AffectedRefused when a withdrawn subject would be fitted and that is not allowed, Diverged when
    a loss is no finite number; then `out` is free again, and a finished autoencoder waits there for the next fit.
    """
    affected = refuse_affected(
        f"snapshot {folder.name!r}",
        [*folder.affected, *(autoencoder_from.affected if autoencoder_from else ())],
        allow_affected,
    )
    recipe = autoencoder_from.recipe_with(recipe) if autoencoder_from else recipe
    if is_finished(out, folder, recipe, autoencoder_from):
        remove_checkpoints(out)
        return out
    check_networks(folder, recipe)
    images = load_images(folder, recipe)
    also = [autoencoder_from.as_ancestor()] if autoencoder_from else []
    _check_held_out(folder, images.rows, also)
    claim_directory(out, folder, recipe, autoencoder_from)
    try:
        autoencoder, first = _fit_or_reuse_autoencoder(images, recipe, autoencoder_from, out, on_progress, device)
        unet, second = fit_flow(images, autoencoder, recipe, out, on_progress, device, _digest_of(autoencoder_from))
    except Diverged:
        release_directory(out)
        raise

    if recipe.weights_dtype == "float16":
        autoencoder, unet = autoencoder.half(), unet.half()
    remove_unfinished_weights(out)
    make_pipeline(images, autoencoder.cpu(), unet.cpu()).save_pretrained(out)
    parts = {"autoencoder": first, "flow": FittedPart(second.losses, second.evaluations)}
    write_card(
        out,
        {
            "name": name or out.name,
            "kind": "latent-flow",
            "classes": images.classes,
            "shape": list(folder.shape),
            "bits": folder.bits,
            "notice": folder.notice,
            "fitted_on": describe_fitted_images(folder, images.rows, also),
            "affected": affected,
            "recipe": recipe.model_dump(mode="json"),
            "losses": {phase: part.losses for phase, part in parts.items() if part.losses},
            "validation": {phase: part.evaluations for phase, part in parts.items()},
            "metrics": {phase: part.evaluations[-1][1] for phase, part in parts.items()},
            "digest": weights_digest(out),
            "made_by": made_by,
            "date": date,
            **_describe_source(autoencoder_from),
        },
    )
    remove_checkpoints(out)
    return out


def _fit_or_reuse_autoencoder(
    images: FitImages,
    recipe: FitRecipe,
    source: AutoencoderSource | None,
    out: Path,
    on_progress: OnFitProgress,
    device: str,
) -> tuple[ImageAutoencoder, FittedPart]:
    if source is not None:
        model, measures = reuse_autoencoder(images, source.directory, out, device)
        return model, FittedPart([], [(0, measures)])
    model, phase = fit_autoencoder(images, recipe, out, on_progress, device)
    return model, FittedPart(phase.losses, phase.evaluations)


def _digest_of(source: AutoencoderSource | None) -> str:
    return source.weights_digest if source else ""


def _describe_source(source: AutoencoderSource | None) -> dict[str, Any]:
    """The entry of the card on an autoencoder that was not fitted here."""
    return {"autoencoder_from": {"name": source.name, "weights_digest": source.weights_digest}} if source else {}


def _check_held_out(folder: SnapshotFolder, rows: Sequence[SnapshotRow], also: Sequence[Mapping[str, Any]]) -> None:
    """Refuse rows that show a held-out subject, by themselves or through a generator that the weights descend from."""
    seen = Seen.by_rows(rows) | Seen.by_lineage({"generators": list_ancestors(folder, rows, also)})
    for split in ("validation", "test"):
        seen.refuse_leak(folder.rows(split), split)


def check_networks(folder: SnapshotFolder, recipe: FitRecipe) -> None:
    """Run both networks without weights or data: a recipe they cannot be made from ends now; raises BadInput."""
    height, width, channels = folder.shape
    canvas = Canvas.plan(height, width, recipe.canvas, recipe.multiple)
    sides = (canvas.canvas_height // DOWNSAMPLING, canvas.canvas_width // DOWNSAMPLING)
    try:
        with torch.device("meta"), torch.no_grad():
            autoencoder = make_autoencoder(recipe.autoencoder, channels)
            pixels = torch.zeros(1, channels, canvas.canvas_height, canvas.canvas_width)
            latents = autoencoder.encoder(pixels)
            autoencoder.decoder(latents)
            unet = make_unet(recipe.flow, latents.shape[1], sides, len(folder.classes))
            unet(latents, torch.zeros(1), class_labels=torch.zeros(1, dtype=torch.long))
    except (ValueError, RuntimeError, TypeError, ZeroDivisionError) as error:
        raise BadInput(
            f"the networks of the recipe cannot be made for images of {canvas.height} x {canvas.width} on a canvas of "
            f"{canvas.canvas_height} x {canvas.canvas_width}: {str(error).splitlines()[0]}. Change the recipe."
        ) from error


def _claim(folder: SnapshotFolder, recipe: FitRecipe, source: AutoencoderSource | None) -> dict[str, str]:
    claim = {"snapshot": folder.name, "snapshot_digest": folder.digest, "recipe_digest": recipe.digest()}
    taken_over = {"autoencoder_from": source.name, "autoencoder_weights": source.weights_digest} if source else {}
    return claim | taken_over


def is_finished(out: Path, folder: SnapshotFolder, recipe: FitRecipe, source: AutoencoderSource | None) -> bool:
    """Tell whether `out` holds this fit, finished; raises Conflict when it holds another, finished or not."""
    path = out / CLAIM
    is_another = path.is_file() and json.loads(path.read_text()) != _claim(folder, recipe, source)
    if not is_another and (out / "card.json").is_file():
        card = read_card(out)
        held = (card["fitted_on"].get("digest"), card.get("recipe"), card.get("autoencoder_from", {}))
        asked = (folder.digest, recipe.model_dump(mode="json"), _describe_source(source).get("autoencoder_from", {}))
        if held == asked:
            return True
        is_another = True
    if is_another:
        raise Conflict(
            f"{out} holds a fit of another recipe or snapshot. Choose another --out, or delete that directory."
        )
    return False


def claim_directory(out: Path, folder: SnapshotFolder, recipe: FitRecipe, source: AutoencoderSource | None) -> None:
    """Claim `out` for this recipe on this snapshot.

    recipe.json holds the recipe alone, so that `FitRecipe.read` reads it for the next fit; fit.json names both.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(recipe.model_dump_json(indent=1) + "\n")
    (out / CLAIM).write_text(json.dumps(_claim(folder, recipe, source), indent=1) + "\n")


def release_directory(out: Path) -> None:
    """Free `out` after a fit that diverged; the checkpoint of a finished autoencoder stays, and nothing else of it."""
    for name in (CLAIM, "recipe.json"):
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / "grids", ignore_errors=True)
    for empty in (out / CHECKPOINTS, out):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()
