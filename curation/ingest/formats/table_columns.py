"""Decide which column of a table says what: the file, its label, its subject, its split."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import BadInput
from curation.ingest.formats.table_rows import plain_cell
from curation.ingest.names import KnownNames, fold
from curation.ingest.request import ImportRequest
from curation.provenance.written_names import compose

_OURS = ("file", "label", "subject", "split")
_FILE = ("file", "filename", "path", "filepath", "image", "imagepath")
_UID = ("sopinstanceuid",)
LABEL = ("label", "labels", "class")
SUBJECT = ("subject", "subjectid", "patientid", "patient")
SPLIT = ("split",)
_WHOLE = re.compile(r"(0|[1-9]\d*)\.0")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table that are used."""

    key: str  # names the file, or its SOP Instance UID
    by_uid: bool
    labels: tuple[str, ...]
    subject: str | None
    split: str | None
    caption: str | None = None

    @property
    def gives(self) -> tuple[str, ...]:
        """What the table says of a file."""
        columns = {"subjects": self.subject, "labels": self.labels, "splits": self.split}
        return tuple(what for what, column in columns.items() if column)

    def used(self, request: ImportRequest) -> list[str]:
        """The names of the columns that are used, covariates among them."""
        names = (self.key, *self.labels, self.subject, self.split, self.caption, *request.covariates)
        return [name for name in names if name]


def plain_name(cell: Any) -> str:
    """A cell that names a subject or a label: a whole number that was written as 7.0 is 7, and 007 stays 007.

    Raises BadInput for what is no name: an object, or a list.
    """
    plain = plain_cell(cell)
    if isinstance(plain, dict | list):
        raise BadInput(f"expected a text or a number, got {'an object' if isinstance(plain, dict) else 'a list'}")
    text = compose(str(plain))
    return text.removesuffix(".0") if _WHOLE.fullmatch(text) else text


def find_columns(place: str, names: Sequence[str], wanted: Iterable[str | None]) -> dict[str, str]:
    """The column that each name asked for means; raises BadInput for one that is not there, or not once."""
    known, found = KnownNames(names), {}
    for name in wanted:
        if name is None:
            continue
        column = known.find(name)
        if column is None:
            raise BadInput(f"{place}: no column {name}. There are {', '.join(names)}.")
        found[name] = column
    return found


def usual_column(place: str, names: Sequence[str], usual: Sequence[str]) -> str | None:
    """The column with one of the usual names, the first of them that is there; raises BadInput for two alike."""
    for wanted in usual:
        alike = [name for name in names if _squeeze(name) == wanted]
        if len(alike) > 1:
            raise BadInput(f"{place}: expected one of the columns {', '.join(alike)}. Rename the others.")
        if alike:
            return alike[0]
    return None


def _squeeze(name: str) -> str:
    """A column name without case, spaces and joining signs: Patient ID, patient_id and patientId are one."""
    return "".join(character for character in fold(name) if character not in " _-.")


def columns_of(path: Path, names: list[str], request: ImportRequest, beside: bool) -> Columns:
    """Find the columns of the table at `path`; raises BadInput when one that is needed is not there, or not once."""
    place = str(path)
    named = {"file": request.file_column, "subject": request.subject_column, "split": request.split_column}
    asked = find_columns(place, names, [*named.values(), *request.label_columns, request.caption_column])
    own = {what: asked[name] for what, name in named.items() if name is not None}
    key = own.get("file") or usual_column(place, names, _FILE)
    uid = usual_column(place, names, _UID)
    labels = tuple(dict.fromkeys(asked[name] for name in request.label_columns))
    if not labels and (label := usual_column(place, names, LABEL)):
        labels = (label,)
    columns = Columns(
        key=key or uid or "",
        by_uid=key is None,
        labels=() if request.label is not None or request.label_from not in (None, "manifest") else labels,
        subject=own.get("subject") or usual_column(place, names, SUBJECT),
        split=own.get("split") or usual_column(place, names, SPLIT),
        caption=asked.get(request.caption_column or ""),
    )
    if not any(names):
        raise BadInput(f"{path} is empty: expected a first line with the names of the columns.")
    unknown = {name for name in names if name} - {*_OURS, *asked.values(), *columns.used(request)}
    if not columns.key or (beside and key == "file" and unknown):
        raise BadInput(
            f"{path}: expected the columns file, and any of label, subject, split; got {', '.join(names)}. "
            "Rename them, or remove those that are not among these."
        )
    _check_unique(place, names, columns, request)
    return columns


def _check_unique(place: str, names: list[str], columns: Columns, request: ImportRequest) -> None:
    twice = [name for name in dict.fromkeys(columns.used(request)) if names.count(name) > 1]
    if twice:
        raise BadInput(f"{place}: two columns are called {', '.join(twice)}. Rename one, or remove it.")
