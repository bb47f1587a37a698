"""Read a table of files (CSV, Parquet or JSON lines): labels, subjects, splits, covariates."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import pyarrow
import pyarrow.parquet

from curation.errors import BadInput
from curation.ingest.covariates import check_columns, covariates_of_row
from curation.ingest.incoming import Rejected, parse_split
from curation.ingest.request import ImportRequest
from curation.tables.images import Split

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")
BESIDE = tuple(f"metadata{suffix}" for suffix in (".csv", ".parquet", ".jsonl"))
_OURS = ("file", "label", "subject", "split")
_FILE = ("file", "file_name", "filename", "path", "file_path", "image", "image_path")
_UID = ("sopinstanceuid", "sop_instance_uid")
_LABEL = ("label", "labels", "class")
_SUBJECT = ("subject", "subject_id", "patient_id", "patientid", "patient")
_SPLIT = ("split",)

Row: TypeAlias = dict[str, Any]  # what is empty in the table is ""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One row of a table; an empty cell is None."""

    labels: Mapping[str, float] | None
    subject: str | None
    split: Split | None
    covariates: Mapping[str, str | float] | None = None

    @property
    def label(self) -> str | None:
        """The label of a row that gives exactly one."""
        return next(iter(self.labels)) if self.labels is not None and len(self.labels) == 1 else None


@dataclass(slots=True)
class Table:
    """Rows by file name below the folder of the source or by SOP Instance UID, and the refused rows."""

    name: str = ""
    rows: dict[str, TableEntry] = field(default_factory=dict)
    by_uid: bool = False
    several_labels: bool = False
    decides: bool = False  # on labels, whatever the folders are called: the table was named by the caller
    rejected: list[Rejected] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Columns:
    key: str
    by_uid: bool
    labels: tuple[str, ...]
    subject: str | None
    split: str | None


def read_table(path: Path, request: ImportRequest, *, below: str = "", beside: bool = False) -> Table:
    """Read a table whose file names are relative to `below`; `beside` is a `metadata` file in the folder.

    Raises BadInput when the whole table cannot be used: encoding, columns, a row longer than the header.
    """
    names, rows = _open(path)
    columns = _find_columns(path, names, request, beside)
    check_columns(path.name, request.covariates, names, columns.subject)
    table = Table(path.name, by_uid=columns.by_uid, several_labels=len(columns.labels) > 1)
    table.decides = bool(columns.labels) and not beside
    used = {columns.key, *columns.labels, columns.subject, columns.split, *request.covariates}
    table.unused = [name for name in names if name not in used]
    faults: dict[str, str] = {}
    for row in rows:
        key = str(row[columns.key])
        if key and below and not columns.by_uid:
            key = f"{below}/{key}"
        try:
            if key in table.rows or key in faults:
                raise BadInput(f"named twice in {path.name}")
            table.rows[key] = _describe(key, row, columns, request, path.name)
        except BadInput as error:
            faults[key] = str(error)
            table.rows.pop(key, None)
    table.rejected = [Rejected(key, reason) for key, reason in faults.items()]
    return table


def _open(path: Path) -> tuple[list[str], Iterable[Row]]:
    """The column names, and the rows as a stream."""
    try:
        if path.suffix == ".parquet":
            file = pyarrow.parquet.ParquetFile(path)
            return list(file.schema_arrow.names), _parquet_rows(file)
        if path.suffix == ".jsonl":
            return _json_names(path), _json_rows(path)
        return _csv_names(path), _csv_rows(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"{path} cannot be read as a table: {type(error).__name__}.") from error


def _csv_table(path: Path, lines: Iterable[str]) -> "csv.DictReader[str]":
    table = csv.DictReader(lines, strict=True, delimiter="\t" if path.suffix == ".tsv" else ",")
    table.fieldnames = [column.strip() for column in table.fieldnames or ()]
    return table


def _csv_names(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            return list(_csv_table(path, lines).fieldnames or ())
    except (UnicodeDecodeError, csv.Error) as error:
        raise _not_csv(path, error) from error


def _csv_rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            table = _csv_table(path, lines)
            for row in table:
                if None in row or None in row.values():
                    raise BadInput(
                        f"{path}, line {table.line_num}: "
                        f"expected {len(table.fieldnames or ())} fields as in the first line."
                    )
                yield {column: value.strip() for column, value in row.items()}
    except (UnicodeDecodeError, csv.Error) as error:
        raise _not_csv(path, error) from error


def _not_csv(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path} cannot be read as a UTF-8 table separated by commas: {error}.")


def _parquet_rows(file: pyarrow.parquet.ParquetFile) -> Iterator[Row]:
    try:
        for batch in file.iter_batches(batch_size=1_000):
            for row in batch.to_pylist():
                yield {str(name): _plain(value) for name, value in row.items()}
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"the table breaks off: {type(error).__name__}. Write it again.") from error


def _json_names(path: Path) -> list[str]:
    return next((list(row) for row in _json_rows(path)), [])


def _json_rows(path: Path) -> Iterator[Row]:
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise BadInput(f"{path}, line {number}: expected a JSON object.")
                    yield {str(name): _plain(value) for name, value in row.items()}
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}, line {number}: not a JSON object in UTF-8.") from error


def _plain(value: Any) -> Any:
    """A cell as text, or a list of texts: whole numbers without a point, what is empty as ""."""
    if isinstance(value, list):
        return [str(_plain(item)) for item in value]
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _find_columns(path: Path, names: list[str], request: ImportRequest, beside: bool) -> _Columns:
    lower = {name.lower(): name for name in reversed(names)}
    asked = [request.file_column, request.subject_column, request.split_column, *request.label_columns]
    absent = [name for name in asked if name is not None and name not in names]
    if absent and not beside:
        raise BadInput(f"{path}: no column {', '.join(absent)}. There are {', '.join(names)}.")
    key = request.file_column or _first(lower, _FILE)
    uid = _first(lower, _UID)
    ours = set(names) <= {*_OURS, *request.covariates, *(name for name in asked if name)}
    strict = beside and key == "file" and not ours
    if (key is None and uid is None) or strict or len(set(names)) < len(names):
        raise BadInput(
            f"{path}: expected the columns file, and any of label, subject, split; got {', '.join(names)}. "
            "Rename them, or remove those that are not among these."
        )
    labels = request.label_columns or tuple(name for name in [_first(lower, _LABEL)] if name)
    return _Columns(
        key=key or uid or "",
        by_uid=key is None,
        labels=() if request.label is not None or request.label_from not in (None, "manifest") else labels,
        subject=request.subject_column or _first(lower, _SUBJECT),
        split=request.split_column or _first(lower, _SPLIT),
    )


def _first(lower: Mapping[str, str], wanted: tuple[str, ...]) -> str | None:
    return next((lower[name] for name in wanted if name in lower), None)


def _describe(key: str, row: Row, columns: _Columns, request: ImportRequest, table: str) -> TableEntry:
    name = PurePosixPath(key)
    if not key or name.is_absolute() or ".." in name.parts or "\\" in key or "\0" in key:
        raise BadInput(f"{table} must name files below the folder, with / between the parts")
    split = row.get(columns.split, "") if columns.split else ""
    subject = row.get(columns.subject, "") if columns.subject else ""
    return TableEntry(
        labels=_labels(row, columns.labels, request.label_separator) or None,
        subject=str(subject) or None,
        split=parse_split(str(split)) if split else None,
        covariates=covariates_of_row(row, request.covariates) or None,
    )


def _labels(row: Row, columns: tuple[str, ...], separator: str | None) -> dict[str, float]:
    """One column names or lists labels; each of several columns holds 0, 1, a probability, or nothing."""
    if len(columns) == 1:
        cell = row.get(columns[0], "")
        names = cell if isinstance(cell, list) else cell.split(separator) if separator else [cell]
        return {str(name).strip(): 1.0 for name in names if str(name).strip()}
    labels: dict[str, float] = {}
    for column in columns:
        cell = row.get(column, "")
        if cell == "":
            continue
        try:
            labels[column] = float(cell)
        except (TypeError, ValueError):
            raise BadInput(f"expected 0, 1, a probability or nothing in the column {column!r}") from None
        if not 0 <= labels[column] <= 1:
            raise BadInput(f"expected 0, 1, a probability or nothing in the column {column!r}, got {cell}")
    return labels
