"""Write a Hugging Face imagefolder: per split, PNG files with text chunks and `metadata.jsonl`."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curation.exports.facts.snapshot import SnapshotFacts
from curation.exports.formats.png import stamp_png, texts_of
from curation.exports.selection import ExportItem, Selection
from curation.progress import OnProgress
from curation.snapshots.folder import ABSENT, SPLITS

OPENS_WITH = 'datasets.load_dataset("{directory}")'
METADATA = "metadata.jsonl"


def write_image_folder(directory: Path, selection: Selection, facts: SnapshotFacts, report: OnProgress) -> None:
    """Write the splits under `directory`, one image at a time."""
    lines = None
    opened = ""
    try:
        for done, item in enumerate(selection.items(), 1):
            if item.row.split != opened:
                if lines is not None:
                    lines.close()
                opened = item.row.split
                (directory / opened).mkdir(parents=True)
                lines = (directory / opened / METADATA).open("w", encoding="utf-8")
            assert lines is not None
            content = stamped_content(selection, item, facts)
            (directory / opened / f"{item.name}.png").write_bytes(content)
            lines.write(json.dumps(metadata_of(item, content), sort_keys=True) + "\n")
            report(done, facts.images, None)
    finally:
        if lines is not None:
            lines.close()


def stamped_content(selection: Selection, item: ExportItem, facts: SnapshotFacts) -> bytes:
    """Give the image's PNG with text chunks that describe it."""
    return stamp_png(selection.content(item.row), texts_of(item, facts.generator_names, facts.notice))


def metadata_of(item: ExportItem, content: bytes) -> dict[str, Any]:
    """Make one line of `metadata.jsonl`; "" or -1 stands for no value, since a column of nulls has no type."""
    row = item.row
    spacing = item.geometry.spacing_mm or (-1.0, -1.0)
    return {
        "file_name": f"{item.name}.png",
        "label": row.label,
        "origin": row.origin,
        "synthetic": item.is_artificial,
        "subject": item.subject,
        "weight": row.weight,
        "approved_by": item.approved_by,
        "why": row.why,
        "generator": row.generator or ABSENT["generator"],
        "batch": row.batch or ABSENT["batch"],
        "index": ABSENT["index"] if row.index is None else row.index,
        "spacing_row_mm": spacing[0],
        "spacing_column_mm": spacing[1],
        "pixel_sha256": row.pixel_sha256,
        "file_sha256": hashlib.sha256(content).hexdigest(),
        **({} if row.text is None else {"text": row.text}),
    }


def features_of(classes: list[str], captioned: bool) -> list[dict[str, Any]]:
    """List the columns as a dataset card declares them; the label is a class with names."""
    text = ("origin", "subject", "approved_by", "why", "generator", "batch", "pixel_sha256", "file_sha256")
    types: dict[str, Any] = {
        "image": "image",
        "label": {"class_label": {"names": {str(number): name for number, name in enumerate(classes)}}},
        "origin": "string",
        "synthetic": "bool",
        "subject": "string",
        "weight": "float64",
        **dict.fromkeys(text[2:6], "string"),
        "index": "int64",
        "spacing_row_mm": "float64",
        "spacing_column_mm": "float64",
        **dict.fromkeys(text[6:], "string"),
        **({"text": "string"} if captioned else {}),
    }
    return [{"name": name, "dtype": dtype} for name, dtype in types.items()]


def splits_there(facts: SnapshotFacts) -> Iterator[str]:
    """Yield the splits with exported images, in the order of the folder."""
    return (split for split in SPLITS if facts.counts.get(split))
