"""Write the snapshot folder that the shipped weights are fitted on, without a database.

Shipped weights may see only numbers that can never be validation or test subjects of a project. So the few that serve
as validation here, for the scores of the fit, come from the end of the same reserved range.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from curation.errors import BadInput, Conflict
from curation.image_store import encode_png, pixel_sha256
from curation.ingest.virtual_brains.render import CLASSES, NOTICE, SHIPPED_RANGE, VirtualSlice, render_many
from curation.snapshots.folder import FORMAT, SnapshotRow, write_rows

NAME = "virtual-brains-shipped"
WHY = "reserved range of the virtual cohort"


def write_shipped_snapshot(out: Path, train: int, validation: int, workers: int = 1) -> Path:
    """Render `train` subjects from the start of the reserved range and `validation` from its end into `out`.

    Raises Conflict when `out` exists, BadInput when the range does not hold that many.
    """
    if train < 1 or validation < 0 or train + validation > len(SHIPPED_RANGE):
        raise BadInput(
            f"expected at least 1 training subject and at most {len(SHIPPED_RANGE)} in all, got {train} + {validation}."
        )
    if out.exists():
        raise Conflict(f"{out} exists already. Delete it, or choose another --out.")
    numbers = {"train": SHIPPED_RANGE[:train], "validation": SHIPPED_RANGE[len(SHIPPED_RANGE) - validation :]}
    rows = {
        split: list(_write_images(out / split, split, render_many(range_of_split, workers)))
        for split, range_of_split in numbers.items()
    }
    for split, split_rows in rows.items():
        write_rows(out, split, split_rows)
    (out / "snapshot.json").write_text(json.dumps(_manifest(rows, numbers), indent=1, sort_keys=True) + "\n")
    return out


def _write_images(directory: Path, split: str, slices: Iterable[VirtualSlice]) -> Iterator[SnapshotRow]:
    """Write each slice as PNG and yield its row."""
    directory.mkdir(parents=True)
    for virtual in slices:
        pixels = virtual.pixels[:, :, None]
        content = encode_png(pixels)
        digest = hashlib.sha256(content).hexdigest()
        (directory / f"{digest}.png").write_bytes(content)
        yield SnapshotRow(
            file_name=f"{digest}.png",
            label=virtual.label,
            subject=virtual.subject,
            origin="real",
            weight=1.0,
            pixel_sha256=pixel_sha256(pixels),
            file_sha256=digest,
            split=split,
            why=WHY,
        )


def _manifest(rows: dict[str, list[SnapshotRow]], numbers: dict[str, range]) -> dict[str, object]:
    """The content of snapshot.json; the digest covers every row, independent of the order of rendering."""
    every = chain.from_iterable(rows.values())
    lines = sorted(f"{row.split}:{row.label}:{row.subject}:{row.pixel_sha256}" for row in every)
    return {
        "format": FORMAT,
        "name": NAME,
        "digest": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        "classes": list(CLASSES),
        "shape": [64, 64, 1],
        "bits": 8,
        "subjects": "known",
        "notice": NOTICE,
        "lineage": {},
        "counts": {split: len(split_rows) for split, split_rows in rows.items()},
        "recipe": {"cohort": "virtual-brains", **{split: [span.start, span.stop] for split, span in numbers.items()}},
    }
