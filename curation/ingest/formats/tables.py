"""Read a table of files (CSV, Parquet or JSON lines): labels, subjects, splits, covariates."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from curation.errors import BadInput
from curation.ingest.covariates import Covariates, check_columns, covariates_of_row
from curation.ingest.formats.table_columns import Columns, columns_of, plain_name
from curation.ingest.formats.table_rows import SUFFIXES, Row, open_table
from curation.ingest.incoming import Rejected, parse_split
from curation.ingest.names import fold
from curation.ingest.request import ImportRequest
from curation.tables.images import Split

_FLAGS = {"true": 1.0, "false": 0.0}  # as programs write what is so and what is not
BESIDE = tuple(f"metadata{suffix}" for suffix in SUFFIXES)


@dataclass(frozen=True, slots=True)
class TableEntry:
    """What a table says of one file; what it does not say is None."""

    labels: Mapping[str, float] | None
    subject: str | None
    split: Split | None
    covariates: Mapping[str, str | float] | None = None
    caption: str | None = None

    @property
    def label(self) -> str | None:
        """The label of a row that gives exactly one."""
        return next(iter(self.labels)) if self.labels is not None and len(self.labels) == 1 else None


@dataclass(frozen=True, slots=True)
class TableScope:
    """The folder whose files a table describes, and what it gives them: subjects, labels, splits."""

    table: str
    below: str
    gives: tuple[str, ...]


@dataclass(slots=True)
class Table:
    """Rows by file name below the folder of the source or by SOP Instance UID, and the refused rows."""

    name: str = ""
    rows: dict[str, TableEntry] = field(default_factory=dict)
    by_uid: bool = False
    several_labels: bool = False  # each of several columns is one
    adds_up: bool = False  # findings of several rows: several columns, or one that lists them
    decides: bool = False  # on labels, whatever the folders are called: the table was named by the caller
    faults: dict[str, str] = field(default_factory=dict)  # file -> why its rows are refused
    columns: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    scopes: list[TableScope] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)  # covariates that count as absent, and why
    repeated: int = 0  # rows that name a picture again and agree with its first row

    @property
    def rejected(self) -> list[Rejected]:
        """The refused rows, one refusal for each file."""
        return [Rejected(file, reason) for file, reason in self.faults.items()]

    def notes(self) -> list[str]:
        """What the report says of the table."""
        notes = [f"columns not used: {', '.join(self.unused)}"] if self.unused else []
        if self.repeated:
            notes.append(f"{self.repeated} rows name a picture again and say nothing else of it, or a further finding")
        notes += [f"{count} rows of {self.name}: {note}" for note, count in sorted(self.unread.items())]
        subjects = {entry.subject for entry in self.rows.values() if entry.subject}
        if different := len(subjects) - len({fold(subject) for subject in subjects}):
            notes.append(
                f"{different} subjects of {self.name} differ from another subject by case alone, and count as others: "
                "if they are the same patients, write them alike"
            )
        return notes

    def add(self, file: str, entry: TableEntry) -> None:
        """Add a row. Rows of one file become one; they are refused when they contradict each other."""
        if file in self.faults:
            return
        known = self.rows.get(file)
        if known is None:
            self.rows[file] = entry
        elif difference := _find_difference(known, entry, self.adds_up):
            self.refuse(file, f"named twice in {self.name}, with different {difference}")
        else:
            self.rows[file] = _join(known, entry)
            self.repeated += 1

    def refuse(self, file: str, reason: str) -> None:
        """Refuse all rows of a file."""
        self.faults.setdefault(file, reason)
        self.rows.pop(file, None)

    def add_all(self, other: "Table") -> None:
        """Add the rows of another table of the same source."""
        if self.scopes and self.by_uid != other.by_uid:
            raise BadInput(f"{self.name} and {other.name}: one names files, the other SOP Instance UIDs. Use one way.")
        self.name, self.by_uid = other.name, other.by_uid
        self.several_labels |= other.several_labels
        self.adds_up |= other.adds_up
        self.scopes += other.scopes
        self.repeated += other.repeated
        self.unread += other.unread
        for file, reason in other.faults.items():
            self.refuse(file, reason)
        for file, entry in other.rows.items():
            self.add(file, entry)
        self.columns += [name for name in other.columns if name not in self.columns]
        self.unused += [name for name in other.unused if name not in self.unused]


def _find_difference(first: TableEntry, second: TableEntry, adds_up: bool) -> str | None:
    """What two rows of one file contradict each other in. Labels of several findings add up and never do."""
    if None not in (first.subject, second.subject) and first.subject != second.subject:
        return "subjects"
    if None not in (first.split, second.split) and first.split != second.split:
        return "splits"
    if first.labels and second.labels and first.labels != second.labels and not adds_up:
        return "labels (if a picture may have several, say so with --label-separator)"
    if None not in (first.caption, second.caption) and first.caption != second.caption:
        return "captions"
    before, after = first.covariates or {}, second.covariates or {}
    different = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    return f"values of {', '.join(different)}" if different else None


def _join(first: TableEntry, second: TableEntry) -> TableEntry:
    """One entry out of two that agree: of a finding that both rows give, the greater value counts."""
    labels = dict(first.labels or {})
    for name, value in (second.labels or {}).items():
        labels[name] = max(value, labels.get(name, value))
    return TableEntry(
        labels=labels or None,
        subject=first.subject or second.subject,
        split=first.split or second.split,
        covariates={**(second.covariates or {}), **(first.covariates or {})} or None,
        caption=first.caption or second.caption,
    )


def read_table(
    path: Path, request: ImportRequest, folder: Path | None = None, *, below: str = "", beside: bool = False
) -> Table:
    """Read a table whose file names are relative to `below` in the `folder` of the source, or whole paths in it.

    `beside` is a `metadata` file in the folder; without a folder, it is that of the table.

    Raises BadInput when the whole table cannot be used: encoding, columns, a row longer than the header.
    """
    names, rows = open_table(path)
    columns = columns_of(path, names, request, beside)
    check_columns(path.name, request.covariates, names, columns.subject)
    used = columns.used(request)
    table = Table(
        path.name,
        by_uid=columns.by_uid,
        several_labels=len(columns.labels) > 1,
        adds_up=len(columns.labels) > 1 or request.label_separator is not None,
        decides=bool(columns.labels) and not beside,
        columns=names,
        unused=[name for name in names if name and name not in used],
        scopes=[TableScope(path.name, "" if columns.by_uid else below, columns.gives)],
    )
    for row in rows:
        key = str(row.get(columns.key, ""))
        try:
            file = key if columns.by_uid else _file_below(key, folder or path.parent, below, path.name)
            table.adds_up |= any(isinstance(row.get(column), list) for column in columns.labels)
            covariates, unread = covariates_of_row(row, request.covariates)
            table.add(file, _describe(row, columns, request, covariates))
            table.unread.update(unread)
        except BadInput as error:
            is_below = below and key and not key.startswith("/") and not columns.by_uid
            table.refuse(f"{below}/{key}" if is_below else key, str(error))
    return table


def _file_below(key: str, folder: Path, below: str, table: str) -> str:
    """The path of a file below the folder of the source, from how a table in `below` names it; raises BadInput."""
    name = PurePosixPath(key.replace("\\", "/"))  # as Windows writes it
    if name.is_absolute() and name.is_relative_to(folder):
        name, below = name.relative_to(folder), ""
    if not key or name.is_absolute() or ".." in name.parts or "\0" in key:
        raise BadInput(f"{table} must name files below the folder, with / between the parts")
    return (PurePosixPath(below) / name).as_posix()


def _describe(row: Row, columns: Columns, request: ImportRequest, covariates: Covariates) -> TableEntry:
    split = row.get(columns.split, "") if columns.split else ""
    subject = row.get(columns.subject, "") if columns.subject else ""
    return TableEntry(
        labels=_labels(row, columns.labels, request.label_separator) or None,
        subject=plain_name(subject) or None,
        split=parse_split(str(split)) if split else None,
        covariates=covariates or None,
        caption=(str(row.get(columns.caption, "")).strip() or None) if columns.caption else None,
    )


def _labels(row: Row, columns: tuple[str, ...], separator: str | None) -> dict[str, float]:
    """One column names or lists labels; each of several columns holds 0, 1, a probability, or nothing."""
    if len(columns) == 1:
        cell = row.get(columns[0], "")
        lists = isinstance(cell, str) and separator
        names = cell if isinstance(cell, list) else cell.split(separator) if lists else [cell]
        return {plain_name(name): 1.0 for name in names if str(name).strip()}
    labels: dict[str, float] = {}
    for column in columns:
        cell = row.get(column, "")
        if cell == "":
            continue
        try:
            labels[column] = _FLAGS[cell.lower()] if str(cell).lower() in _FLAGS else float(cell)
        except (TypeError, ValueError):
            raise BadInput(f"expected 0, 1, a probability or nothing in the column {column!r}") from None
        if not 0 <= labels[column] <= 1:
            raise BadInput(f"expected 0, 1, a probability or nothing in the column {column!r}, got {cell}")
    return labels
