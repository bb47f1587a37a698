"""The folder of a pretrained backbone: whether it is finished, its card, what a diverged fit leaves."""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from curation.errors import Conflict
from curation.files import whole_file
from curation.provenance.seen import Seen
from curation.requests import FrozenRequest
from curation.snapshots.folder import SnapshotFolder
from train.pretraining.fit import FIT

CARD = "card.json"


def is_finished(out: Path, recipe: FrozenRequest, folder: SnapshotFolder) -> bool:
    """Whether `out` holds the backbone of this recipe and snapshot; raises Conflict when it holds another."""
    if not (out / CARD).is_file():
        return False
    card = json.loads((out / CARD).read_text())
    if (card.get("recipe"), card["fitted_on"].get("digest")) != (recipe.model_dump(mode="json"), folder.digest):
        raise Conflict(f"{out} holds a backbone of another recipe or snapshot. Choose another directory.")
    shutil.rmtree(out / FIT, ignore_errors=True)
    return True


def write_card(out: Path, card: Mapping[str, Any]) -> None:
    """Write the card, which makes the backbone a finished one, and remove the checkpoints."""
    with whole_file(out / CARD) as partial:
        partial.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(out / FIT, ignore_errors=True)


def remove_unfinished(out: Path) -> None:
    """Remove what a fit that diverged left, and `out` where nothing else lies in it."""
    shutil.rmtree(out / FIT, ignore_errors=True)
    with suppress(OSError):
        out.rmdir()


def describe_fit(
    folder: SnapshotFolder, recipe: FrozenRequest, name: str, n_images: int, seen: Seen, losses: list[dict[str, float]]
) -> dict[str, Any]:
    """Say in a card what the weights saw and how they were fitted; the leak guards read `fitted_on`."""
    return {
        "name": name,
        "kind": "backbone",
        "classes": folder.classes,
        "shape": list(folder.shape),
        "bits": folder.bits,
        "notice": folder.notice,
        "fitted_on": {
            "snapshot": folder.name,
            "digest": folder.digest,
            "n_images": n_images,
            "subjects": sorted(seen.subjects),
            "pixel_sha256": sorted(seen.pixel_sha256),
            **({"unknown": list(seen.unknown)} if seen.unknown else {}),
            **({"public_web": list(seen.public_web)} if seen.public_web else {}),
        },
        "recipe": recipe.model_dump(mode="json"),
        "losses": losses,
        "metrics": {"held_out_loss": losses[-1]["held_out"]},
    }
