"""Find the Arrow and Parquet files of a data set, and read their schemas and rows."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.ipc
import pyarrow.parquet

from curation.errors import BadInput
from curation.ingest.incoming import SPLIT_NAMES, parse_split
from curation.tables.images import Split

_BATCH = 32
_PARQUET = "*.[pP][aA][rR][qQ][uU][eE][tT]"  # `rglob` heeds case, and has no option for it in Python 3.11


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a data set: its name below the directory, and the split that its name or folder says."""

    path: Path
    name: str
    split: Split | None


def find_shards(path: Path) -> list[Shard]:
    """Find the files of the data set at `path`; links that lead out of it are left out."""
    if path.is_file():
        return [Shard(path, path.name, None)]
    if (path / "dataset_dict.json").is_file():
        folders = sorted(folder for folder in path.iterdir() if (folder / "state.json").is_file())
        return [
            Shard(file, f"{folder.name}/{file.name}", parse_split(folder.name))
            for folder in folders
            for file in _inside(path, sorted(folder.glob("*.arrow")))
        ]
    if (path / "state.json").is_file():
        return [Shard(file, file.name, None) for file in _inside(path, sorted(path.glob("*.arrow")))]
    return [
        Shard(file, file.relative_to(path).as_posix(), _split_of(file.relative_to(path)))
        for file in parquet_files(path)
    ]


def _split_of(file: Path) -> Split | None:
    """The split that a file is named for, as in train-00000-of-00002.parquet; else the nearest folder of that name."""
    names = (re.split(r"[-._]", file.name)[0], *(folder.name for folder in file.parents))
    return next((SPLIT_NAMES[name.lower()] for name in names if name.lower() in SPLIT_NAMES), None)


def _inside(directory: Path, files: Sequence[Path]) -> list[Path]:
    """The files that are not links out of the directory."""
    return [file for file in files if file.resolve().is_relative_to(directory)]


def parquet_files(path: Path) -> list[Path]:
    """The Parquet files below a directory, without tables of metadata."""
    files = [file for file in sorted(path.rglob(_PARQUET)) if not file.name.lower().startswith("metadata.")]
    return _inside(path.resolve(), files)


def read_schema(path: Path) -> pyarrow.Schema:
    """The schema of an Arrow or Parquet file; raises BadInput."""
    try:
        if path.suffix.lower() == ".parquet":
            schema = pyarrow.parquet.read_schema(path)
        else:
            with pyarrow.memory_map(str(path)) as file, pyarrow.ipc.open_stream(file) as stream:
                schema = stream.schema
        _ = schema.names, find_picture_column(schema)  # names of a damaged file may not be text
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        raise BadInput(f"{path} cannot be read as Parquet or Arrow: {type(error).__name__}.") from error
    return schema


def read_batches(path: Path, columns: list[str]) -> Iterator[pyarrow.RecordBatch]:
    """Yield the rows in small batches, so that memory does not grow with the file."""
    if path.suffix.lower() == ".parquet":
        yield from pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=_BATCH, columns=columns)
        return
    with pyarrow.memory_map(str(path)) as file, pyarrow.ipc.open_stream(file) as stream:
        for batch in stream:
            for start in range(0, batch.num_rows, _BATCH):
                yield batch.slice(start, _BATCH).select(columns)


def count_rows(path: Path) -> int:
    """The number of rows; 0 for a file that breaks off."""
    if path.suffix.lower() == ".parquet":
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    try:
        with pyarrow.memory_map(str(path)) as file, pyarrow.ipc.open_stream(file) as stream:
            return sum(batch.num_rows for batch in stream)
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError, OverflowError):
        return 0


def _features(schema: pyarrow.Schema) -> dict[str, Any]:
    """The features that `datasets` wrote for the columns."""
    try:
        described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = described["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def find_picture_column(schema: pyarrow.Schema) -> str | None:
    """The column of pictures: a struct of bytes and path."""
    features = _features(schema)
    for field in schema:
        described = features.get(field.name)
        is_image_feature = isinstance(described, dict) and described.get("_type") == "Image"
        struct = pyarrow.types.is_struct(field.type) and {part.name for part in field.type} == {"bytes", "path"}
        if struct and (is_image_feature or not features):
            return str(field.name)
    return None


def read_class_names(schema: pyarrow.Schema, column: str) -> list[str] | None:
    """The names of a ClassLabel, or of a list of them."""
    described = _features(schema).get(column)
    if isinstance(described, list) and described:
        described = described[0]
    while isinstance(described, dict) and "feature" in described:
        described = described["feature"]
    names = described.get("names") if isinstance(described, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else None
