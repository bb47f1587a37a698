"""`metadata.csv` beside the class folders: what it says of each file, and the rows that cannot be used."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from curation.errors import BadInput
from curation.ingest.incoming import Rejected, split_named
from curation.models.images import Split

FILE_NAME = "metadata.csv"
_COLUMNS = ("file", "label", "subject", "split")


@dataclass(frozen=True, slots=True)
class Described:
    """One row: what is empty in the table is None here."""

    label: str | None
    subject: str | None
    split: Split | None


def read_metadata(path: Path) -> tuple[dict[str, Described], list[Rejected]]:
    """Read the table: file name to row, and the files whose row is refused. No table is an empty one.

    Raises BadInput when the table as a whole cannot be used: encoding, columns, a row longer than the header.
    """
    if not path.is_file():
        return {}, []
    rows: dict[str, Described] = {}
    faults: dict[str, str] = {}
    for file, values in _read_rows(path):
        try:
            if file in rows or file in faults:
                raise BadInput(f"named twice in {FILE_NAME}")
            rows[file] = _describe(file, values)
        except BadInput as error:
            faults[file] = str(error)
            rows.pop(file, None)
    return rows, [Rejected(file, reason) for file, reason in faults.items()]


def _read_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            table = csv.DictReader(lines, strict=True)
            columns = [column.strip() for column in table.fieldnames or ()]
            if "file" not in columns or not set(columns) <= set(_COLUMNS) or len(set(columns)) < len(columns):
                raise BadInput(
                    f"{path}: expected the columns file, and any of label, subject, split; got {', '.join(columns)}. "
                    "Rename them, or remove those that are not among these."
                )
            table.fieldnames = columns
            for row in table:
                if None in row or None in row.values():
                    raise BadInput(
                        f"{path}, line {table.line_num}: expected {len(columns)} fields as in the first line."
                    )
                yield row["file"].strip(), {column: value.strip() for column, value in row.items()}
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path} cannot be read as a UTF-8 table separated by commas: {error}.") from error


def _describe(file: str, values: dict[str, str]) -> Described:
    name = PurePosixPath(file)
    if not file or name.is_absolute() or ".." in name.parts or "\\" in file:
        raise BadInput(f"{FILE_NAME} must name files below the folder, with / between the parts")
    split = values.get("split")
    return Described(
        label=values.get("label") or None,
        subject=values.get("subject") or None,
        split=split_named(split) if split else None,
    )
