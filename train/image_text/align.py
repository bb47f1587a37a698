"""Align an image tower with a text tower on the training pairs of a snapshot."""

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from curation.errors import Conflict, Diverged, LeakRefused
from curation.files import whole_file
from curation.progress import OnProgress
from curation.provenance.seen import Seen
from curation.provenance.tombstones import Tombstones
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.folder import SnapshotFolder
from train.backbones.load import Backbone
from train.backbones.names import backbone_location, find_added
from train.backbones.provenance import seen_by_backbone
from train.backbones.text_tower import TextTower, explain_cut
from train.features.feature_cache import FeatureCache
from train.fitting.device import choose_device
from train.image_text.aligned_folder import folder_digest, save_aligned
from train.image_text.alignment import TowerPairs, checkpoint_of, fit_alignment
from train.image_text.pairs import Pairs, check_training_pairs
from train.image_text.request import AlignmentRequest

FIT = "fit"  # the directory of the checkpoint, gone when the fit has finished


def align_towers(
    folder: SnapshotFolder,
    request: AlignmentRequest,
    on_progress: OnProgress,
    made_by: str,
    date: str,
    also_affected: Sequence[str] = (),
) -> Path:
    """Align the towers of a request on `folder`; returns the folder made, and continues one that was killed.

    `also_affected` names withdrawals that the caller knows of.

    Raises Conflict when another alignment lies there, BadInput for towers or captions that cannot be used, LeakRefused
    for a held-out subject or unknown provenance, AffectedRefused, Diverged; then nothing is left.
    """
    out = Path(request.out)
    if (out / "card.json").is_file():
        return _finished(out, folder, request)
    pairs = Pairs.of(folder, "train", request.recipe.captions)
    check_training_pairs(folder, pairs, folder.classes)
    device = choose_device()
    image = Backbone.load(backbone_location(request.image, folder.path), device)
    text = TextTower.load(backbone_location(request.text, folder.path), device)
    image.check_images(*folder.shape)
    notes = [*folder.affected, *Tombstones.read(image.directory).notes, *also_affected]
    affected = refuse_affected(f"snapshot {folder.name!r} or its image tower", notes, request.allow_affected)
    seen = _collect_seen(folder, request, image, pairs)
    try:
        card = _fit(folder, request, image, text, pairs, on_progress) | {
            "fitted_on": _fitted_on(folder, pairs, seen),
            "affected": affected,
            "made_by": made_by,
            "date": date,
        }
    except Diverged:
        shutil.rmtree(out / FIT, ignore_errors=True)
        with suppress(OSError):  # whatever else lies there is not of this fit
            out.rmdir()
        raise
    with whole_file(out / "card.json") as partial:
        partial.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(out / FIT, ignore_errors=True)
    return out


def _finished(out: Path, folder: SnapshotFolder, request: AlignmentRequest) -> Path:
    card = json.loads((out / "card.json").read_text())
    held = card.get("recipe"), card.get("fitted_on", {}).get("digest"), card.get("towers")
    towers = {"image": request.image, "text": request.text}
    if held != (request.recipe.model_dump(mode="json"), folder.digest, towers) or folder_digest(out) != card["digest"]:
        raise Conflict(f"{out} holds another alignment, or something else. Choose another directory.")
    shutil.rmtree(out / FIT, ignore_errors=True)
    return out


def _collect_seen(folder: SnapshotFolder, request: AlignmentRequest, image: Backbone, pairs: Pairs) -> Seen:
    """Collect what the aligned towers will have seen; the text tower saw no images."""
    by_image = seen_by_backbone(image.directory, request.image)
    if by_image.unknown and not request.allow_unknown_provenance:
        raise LeakRefused(
            f"image tower {request.image!r} has no card.json that says what it saw, which may include held-out "
            "subjects. Pass --allow-unknown-provenance to use it all the same; every report will say so."
        )
    seen = Seen.by_rows(pairs.rows) | Seen.by_lineage(folder.lineage) | by_image
    for split in ("validation", "test"):
        seen.refuse_leak(folder.rows(split), split)
    return seen


def _fit(
    folder: SnapshotFolder,
    request: AlignmentRequest,
    image: Backbone,
    text: TextTower,
    pairs: Pairs,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Fit and save everything but the card; returns what the card says of the fit."""
    recipe, out, features = request.recipe, Path(request.out), FeatureCache(image)
    towers: dict[str, Any] = {
        "image": {
            "given": _saved_name(request.image, out, folder),
            "digest": image.digest,
            "dimension": image.dimension,
        },
        "text": {"given": _saved_name(request.text, out, folder), "digest": text.digest, "dimension": text.dimension},
    }
    device = str(image.device)
    validation = Pairs.of(folder, "validation", recipe.captions)
    fit = f"{recipe.digest()} on {folder.digest} from {image.digest} and {text.digest}"
    projections, losses = fit_alignment(
        recipe,
        TowerPairs.of(pairs, features.of(folder, pairs.rows, on_progress), device),
        TowerPairs.of(validation, features.of(folder, validation.rows, on_progress), device)
        if validation.rows
        else None,
        text,
        device,
        checkpoint_of(out, fit),
        on_progress,
    )
    cut = explain_cut(text.count_cut(pairs.captions), len(pairs.captions), text.max_length)
    return {
        "name": out.name,
        "kind": "image-text",
        "digest": save_aligned(out, towers, recipe, text, projections),
        "towers": {"image": request.image, "text": request.text},
        "recipe": recipe.model_dump(mode="json"),
        "pairs": {"train": len(pairs.rows), "validation": len(validation.rows), "captions": len(pairs.captions)},
        "without_caption": pairs.left_out,
        "captions_cut": cut,
        "losses": losses,
        "notice": folder.notice,
        "classes": folder.classes,
    }


def _saved_name(tower: str, out: Path, folder: SnapshotFolder) -> str:
    """Name a tower for the folder made: a name of the project inside it, else where that name leads."""
    added = find_added(tower, folder.path)
    if added is None or out.resolve().is_relative_to(added.resolve().parents[1]):
        return tower
    return str(added.resolve())


def _fitted_on(folder: SnapshotFolder, pairs: Pairs, seen: Seen) -> dict[str, Any]:
    return {
        "snapshot": folder.name,
        "digest": folder.digest,
        "n_images": len(pairs.rows),
        "subjects": sorted(seen.subjects),
        "pixel_sha256": sorted(seen.pixel_sha256),
        "unknown": list(seen.unknown),
        **({"public_web": list(seen.public_web)} if seen.public_web else {}),
    }
