"""Read the rows of a CSV, Parquet or JSON lines file as a stream."""

import codecs
import csv
import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow
import pyarrow.parquet

from curation.errors import BadInput

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")
_DELIMITERS = (",", ";", "\t", "|")
_SAYS_DELIMITER = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # the first line, as spreadsheets read it
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods, .xls
_HEAD = 4_096  # bytes of a file that tell whether it is text

Row: TypeAlias = dict[str, Any]  # what is empty in the table is ""


def open_table(path: Path) -> tuple[list[str], Iterable[Row]]:
    """The column names, and the rows as a stream."""
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            file = pyarrow.parquet.ParquetFile(path)
            return list(file.schema_arrow.names), _parquet_rows(file)
        if kind == ".jsonl":
            return _json_names(path), _json_rows(path)
        names = _csv_names(path)
        return names, _csv_rows(path, names)
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"{path} cannot be read as a table: {type(error).__name__}.") from error


def _csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty: the number of each, and its cells."""
    try:
        with path.open(newline="", encoding=_find_encoding(path)) as file:
            first = file.readline()
            if says := _SAYS_DELIMITER.fullmatch(first.strip("\r\n")):
                delimiter = says[1]
            else:
                delimiter = _find_delimiter(first, path.suffix.lower())
                file.seek(0)
            lines = csv.reader(file, strict=True, delimiter=delimiter)
            for line in lines:
                cells = [cell.strip() for cell in line]
                if any(cells):
                    yield lines.line_num, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            f"{path} cannot be read as a UTF-8 table separated by commas, semicolons, tabs or bars: {error}. "
            "Save it as CSV in UTF-8."
        ) from error


def _find_encoding(path: Path) -> str:
    """UTF-8, or UTF-16 where its mark is there; raises BadInput for a file that is no text."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(_SPREADSHEETS):
        raise BadInput(f"{path} is a spreadsheet, despite its name. Save it as CSV in UTF-8.")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head:
        raise BadInput(f"{path} holds zero bytes, so it is no text in UTF-8. Save it as CSV or JSON lines in UTF-8.")
    return "utf-8-sig"


def _find_delimiter(header: str, suffix: str) -> str:
    """The delimiter that divides the header: a comma, a semicolon (spreadsheets of many countries), a tab or a bar."""
    likely = sorted(_DELIMITERS, key=lambda mark: mark != "\t") if suffix == ".tsv" else _DELIMITERS
    return next((mark for mark in likely if len(next(csv.reader([header], delimiter=mark), [])) > 1), likely[0])


def _csv_names(path: Path) -> list[str]:
    _, names = next(_csv_lines(path), (0, []))
    while names and not names[-1]:
        names.pop()
    return names


def _csv_rows(path: Path, names: list[str]) -> Iterator[Row]:
    for number, cells in islice(_csv_lines(path), 1, None):
        if len(cells) < len(names) or any(cells[len(names) :]):
            raise BadInput(f"{path}, line {number}: expected {len(names)} fields as in the first line.")
        yield dict(zip(names, cells, strict=False))


def _parquet_rows(file: pyarrow.parquet.ParquetFile) -> Iterator[Row]:
    try:
        for batch in file.iter_batches(batch_size=1_000):
            for row in batch.to_pylist():
                yield {str(name): plain_cell(value) for name, value in row.items()}
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"the table breaks off: {type(error).__name__}. Write it again.") from error


def _json_names(path: Path) -> list[str]:
    """The names in any of the lines: a line may leave out what it has no value for."""
    return list(dict.fromkeys(name for row in _json_rows(path) for name in row))


def _json_rows(path: Path) -> Iterator[Row]:
    number = 0
    try:
        with path.open(encoding=_find_encoding(path)) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise BadInput(f"{path}, line {number}: expected a JSON object.")
                    yield {str(name): plain_cell(value) for name, value in row.items()}
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}, line {number}: not a JSON object in UTF-8.") from error


def plain_cell(value: Any) -> Any:
    """A cell as text, or a list of texts: whole numbers without a point, what is empty as ""; an object as it is."""
    if isinstance(value, list):
        return [item if isinstance(item, dict) else str(plain_cell(item)) for item in value]
    if isinstance(value, dict):
        return value
    if value is None or value != value:
        return ""
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace").strip()
    if isinstance(value, bool):
        return str(int(value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
