"""The card of a fitted generator: what it was fitted on, how, and how well.

The guards against leaks and copies read it, so it names every subject and every image.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.errors import NotFound
from curation.files import whole_file
from curation.provenance.seen import UNKNOWN
from curation.provenance.weights import weights_digest as weights_digest
from curation.snapshots.folder import SnapshotFolder, SnapshotRow

FORMAT = "rounds-generator-card/1"


def describe_fitted_images(
    folder: SnapshotFolder, rows: Sequence[SnapshotRow], also: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Describe what reached the weights: the snapshot, every image's subject and pixel digest, the ancestors.

    Ancestors are the generators of the synthetic images among `rows`, and `also`. An ancestor that the snapshot does
    not describe is listed by its weights, with unknown provenance.
    """
    return {
        "snapshot": folder.name,
        "digest": folder.digest,
        "n_images": len(rows),
        "subjects_known": folder.subjects == "known",
        "subjects": sorted({row.subject for row in rows if row.subject is not None}),
        "pixel_sha256": sorted({row.pixel_sha256 for row in rows}),
        "lineage": {**folder.lineage, "generators": list_ancestors(folder, rows, also)},
    }


def list_ancestors(
    folder: SnapshotFolder, rows: Sequence[SnapshotRow], also: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """List the generators of the synthetic images among `rows`, and `also`, with everything they saw in turn."""
    generators = {row.generator or "" for row in rows if row.origin == "synthetic"}
    described = {entry["weights_digest"]: entry for entry in folder.lineage.get("generators", ())}
    of_images = [described.get(weights) or _undescribed(weights) for weights in sorted(generators)]
    return [*of_images, *(dict(entry) for entry in also if entry["weights_digest"] not in generators)]


def _undescribed(weights: str) -> dict[str, Any]:
    name = weights[:12] or "without a name"
    return {"name": name, "weights_digest": weights, "provenance": UNKNOWN, "subjects": [], "pixel_sha256": []}


def write_card(directory: Path, card: Mapping[str, Any]) -> None:
    """Write card.json by rename: a generator with a card is finished."""
    with whole_file(directory / "card.json") as partial:
        partial.write_text(json.dumps({"format": FORMAT, **card}, indent=1, sort_keys=True) + "\n")


def read_card(directory: Path) -> dict[str, Any]:
    """Read the card of a generator; raises NotFound when there is none."""
    path = directory / "card.json"
    if not path.is_file():
        raise NotFound(
            f"expected a finished generator in {directory}, found no card.json. If a fit was interrupted, run it again."
        )
    card: dict[str, Any] = json.loads(path.read_text())
    return card


def add_metrics(directory: Path, metrics: Mapping[str, Any]) -> None:
    """Merge measured `metrics` into the card."""
    card = read_card(directory)
    card["metrics"] = {**card["metrics"], **metrics}
    del card["format"]
    write_card(directory, card)
