"""Fit a generator on a snapshot folder: autoencoder, flow on its latents, pipeline, card.

Only rows of the train split are fitted, sampled as often as the snapshot weighs them. Validation rows are measured.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from curation.errors import Conflict
from curation.provenance.seen import Seen
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from generate.card import describe_fitted_images, list_ancestors, weights_digest, write_card
from generate.latent_flow.fit_autoencoder import fit_autoencoder
from generate.latent_flow.fit_flow import fit_flow, make_pipeline
from generate.latent_flow.fit_images import load_images
from generate.latent_flow.recipe import FitRecipe
from train.fitting.checkpoint import remove_checkpoints
from train.fitting.phase import OnFitProgress


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
) -> Path:
    """Fit on `folder` by `recipe` into `out` and return `out`: a pipeline in diffusers layout, recipe.json, card.json.

    Checkpoints lie in out/checkpoints until the end, grids in out/grids. Called again after a kill, it continues;
    after the end, it returns at once. Raises Conflict when `out` belongs to another recipe or snapshot, LeakRefused
    when a held-out subject would be fitted, directly or through a generator, AffectedRefused when a withdrawn subject
    would be fitted and that is not allowed.
    """
    affected = refuse_affected(f"snapshot {folder.name!r}", folder.affected, allow_affected)
    claim_directory(out, folder, recipe)
    if (out / "card.json").is_file():
        remove_checkpoints(out)
        return out
    images = load_images(folder, recipe)
    _check_held_out(folder, images.rows)
    autoencoder, first = fit_autoencoder(images, recipe, out, on_progress, device)
    unet, second = fit_flow(images, autoencoder, recipe, out, on_progress, device)

    if recipe.weights_dtype == "float16":
        autoencoder, unet = autoencoder.half(), unet.half()
    make_pipeline(images, autoencoder.cpu(), unet.cpu()).save_pretrained(out)
    write_card(
        out,
        {
            "name": name or out.name,
            "kind": "latent-flow",
            "classes": images.classes,
            "shape": list(folder.shape),
            "bits": folder.bits,
            "notice": folder.notice,
            "fitted_on": describe_fitted_images(folder, images.rows),
            "affected": affected,
            "recipe": recipe.model_dump(mode="json"),
            "losses": {phase.name: phase.losses for phase in (first, second)},
            "validation": {phase.name: phase.evaluations for phase in (first, second)},
            "metrics": {phase.name: phase.evaluations[-1][1] for phase in (first, second)},
            "digest": weights_digest(out),
            "made_by": made_by,
            "date": date,
        },
    )
    remove_checkpoints(out)
    return out


def _check_held_out(folder: SnapshotFolder, rows: Sequence[SnapshotRow]) -> None:
    """Refuse rows that show a held-out subject, by themselves or through the generator of a synthetic image."""
    seen = Seen.by_rows(rows) | Seen.by_lineage({"generators": list_ancestors(folder, rows)})
    for split in ("validation", "test"):
        seen.refuse_leak(folder.rows(split), split)


def claim_directory(out: Path, folder: SnapshotFolder, recipe: FitRecipe) -> None:
    """Claim `out` for this recipe on this snapshot; raises Conflict when it belongs to another fit.

    recipe.json holds the recipe alone, so that `FitRecipe.read` reads it for the next fit; fit.json names both.
    """
    claimed = {"snapshot": folder.name, "snapshot_digest": folder.digest, "recipe_digest": recipe.digest()}
    path = out / "fit.json"
    if path.is_file():
        if json.loads(path.read_text()) != claimed:
            raise Conflict(
                f"{out} holds a fit of another recipe or snapshot. Choose another --out, or delete that directory."
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(recipe.model_dump_json(indent=1) + "\n")
    path.write_text(json.dumps(claimed, indent=1) + "\n")
