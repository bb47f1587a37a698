"""Write predictions, a row for each image, as Parquet or CSV. Torch-free."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import BadInput, Conflict
from curation.files import whole_file

PARQUET, CSV = ".parquet", ".csv"


def probability_columns(probabilities: Mapping[str, float]) -> dict[str, float]:
    """Name a column for the probability of each class."""
    return {f"probability_{name}": value for name, value in probabilities.items()}


def check_new_table(path: Path) -> None:
    """Raise BadInput unless the name ends in .parquet or .csv, Conflict where a file is there."""
    if path.suffix.lower() not in (PARQUET, CSV):
        raise BadInput(f"expected a file that ends in {PARQUET} or {CSV}, got {path.name!r}.")
    if path.exists():
        raise Conflict(f"{path} exists already. Choose a new file.")
    if not path.parent.is_dir():
        raise BadInput(f"{path.parent} is not a directory. Make it first.")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> None:
    """Write rows of equal columns, whole or not at all; Parquet keeps `facts` as JSON in its metadata."""
    with whole_file(path) as partial:
        if path.suffix.lower() == CSV:
            with partial.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            return
        table = pa.Table.from_pylist([dict(row) for row in rows])
        pq.write_table(table.replace_schema_metadata({"rounds": json.dumps(dict(facts), sort_keys=True)}), partial)
