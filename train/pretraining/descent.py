"""What a pretrained backbone descends from: the one it starts from, a teacher, generators."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curation.errors import LeakRefused
from curation.provenance.seen import Seen
from curation.provenance.tombstones import Tombstones
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.backbones.load import locate_backbone, weights_digest
from train.backbones.names import backbone_location, portable_name
from train.backbones.provenance import seen_by_backbone
from train.pretraining.continued_recipe import ContinuedRecipe


def ancestor_directories(recipe: ContinuedRecipe, near: Path) -> dict[str, Path]:
    """The folders of the backbones that the recipe names, by name, `near` a path of the project; raises NotFound."""
    return {name: locate_backbone(backbone_location(name, near)) for name in recipe.backbone_names()}


def collect_seen(folder: SnapshotFolder, recipe: ContinuedRecipe, rows: Sequence[SnapshotRow]) -> Seen:
    """Collect all that the new weights descend from.

    Raises LeakRefused when a held-out subject is among it, or where it is unknown and that is not allowed.
    """
    ancestors = Seen.by_rows([])
    for name, directory in ancestor_directories(recipe, folder.path).items():
        ancestors |= seen_by_backbone(directory, name)
    if ancestors.unknown and not recipe.allow_unknown_provenance:
        raise LeakRefused(
            f"{', '.join(ancestors.unknown)} does not say what it saw, which may include held-out subjects. Pass "
            "--allow-unknown-provenance to use it all the same; every report will say so."
        )
    seen = Seen.by_rows(rows) | ancestors
    if any(row.origin != "real" for row in rows):
        seen |= Seen.by_lineage(folder.lineage)
    for split in ("validation", "test"):
        seen.refuse_leak(folder.rows(split), split)
    return seen


def withdrawal_notes(recipe: ContinuedRecipe, near: Path) -> list[str]:
    """The withdrawals that reach the backbones which the recipe names."""
    directories = ancestor_directories(recipe, near).values()
    return [note for directory in directories for note in Tombstones.read(directory).notes]


def describe_ancestors(recipe: ContinuedRecipe, near: Path) -> list[dict[str, Any]]:
    """Name the backbones that the new one descends from, with their cards; what they saw stands in the new card."""
    return [
        {"name": portable_name(name, directory), "digest": weights_digest(directory), "card": _read_card(directory)}
        for name, directory in ancestor_directories(recipe, near).items()
    ]


def _read_card(directory: Path) -> dict[str, Any] | None:
    path = directory / "card.json"
    if not path.is_file():
        return None
    card: dict[str, Any] = json.loads(path.read_text())
    fitted_on = {name: value for name, value in card["fitted_on"].items() if name not in ("subjects", "pixel_sha256")}
    return card | {"fitted_on": fitted_on}
