"""Write Parquet as `datasets` does: pictures as {bytes, path}, shards of bounded size."""

import json
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.exports.facts.snapshot import SnapshotFacts
from curation.exports.formats.image_folder import metadata_of, stamped_content
from curation.exports.selection import ExportItem, Selection
from curation.progress import OnProgress

OPENS_WITH = 'datasets.load_dataset("{directory}")'
ROWS_A_GROUP = 100  # what a reader holds in memory at once
BYTES_A_SHARD = 500_000_000


def write_parquet(directory: Path, selection: Selection, facts: SnapshotFacts, report: OnProgress) -> None:
    """Write `data/SPLIT-00000.parquet`, `-00001` and so on, a row group in memory at a time."""
    (directory / "data").mkdir()
    before = 0
    for split, items in groupby(selection.items(), key=lambda item: item.row.split):
        rows = ((item, stamped_content(selection, item, facts)) for item in items)
        for written in _write_split(directory / "data", split, rows, facts):
            report(before + written, facts.images, None)
        before += written


def _write_split(
    directory: Path, split: str, rows: Iterator[tuple[ExportItem, bytes]], facts: SnapshotFacts
) -> Iterator[int]:
    """Write the shards of one split; yield how many rows are written, at least once."""
    classes = facts.classes
    schema = schema_of(classes, facts.captioned)
    shard = size = written = 0
    writer = None
    try:
        while group := list(islice(rows, ROWS_A_GROUP)):
            if writer is None:
                writer = pq.ParquetWriter(directory / f"{split}-{shard:05d}.parquet", schema, compression="snappy")
            table = [_table_row(item, content, classes) for item, content in group]
            writer.write_table(pa.Table.from_pylist(table, schema))
            written, size = written + len(group), size + sum(len(content) for _, content in group)
            if size >= BYTES_A_SHARD:
                writer.close()
                writer, shard, size = None, shard + 1, 0
            yield written
    finally:
        if writer is not None:
            writer.close()


def _table_row(item: ExportItem, content: bytes, classes: list[str]) -> dict[str, Any]:
    row = metadata_of(item, content)
    file_name = row.pop("file_name")
    return row | {"image": {"bytes": content, "path": file_name}, "label": classes.index(item.row.label)}


def schema_of(classes: list[str], captioned: bool) -> Any:
    """Build the schema; its `huggingface` features let `datasets` decode pictures and name classes."""
    text, number = (pa.string(), {"dtype": "string", "_type": "Value"}), (pa.float64(), _value("float64"))
    columns: dict[str, tuple[Any, dict[str, Any]]] = {
        "image": (pa.struct([("bytes", pa.binary()), ("path", pa.string())]), {"_type": "Image"}),
        "label": (pa.int64(), {"names": classes, "_type": "ClassLabel"}),
        "origin": text,
        "synthetic": (pa.bool_(), _value("bool")),
        "subject": text,
        "weight": number,
        "approved_by": text,
        "why": text,
        "generator": text,
        "batch": text,
        "index": (pa.int64(), _value("int64")),
        "spacing_row_mm": number,
        "spacing_column_mm": number,
        "pixel_sha256": text,
        "file_sha256": text,
        **({"text": text} if captioned else {}),
    }
    features = {name: feature for name, (_, feature) in columns.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(name, kind) for name, (kind, _) in columns.items()], metadata=metadata)


def _value(dtype: str) -> dict[str, Any]:
    return {"dtype": dtype, "_type": "Value"}
