"""Read class and split from folders: the first is the class, or the split with the class below it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from curation.errors import BadInput
from curation.ingest.formats.tables import Table, TableEntry
from curation.ingest.incoming import SPLIT_NAMES, FileEntry, parse_split
from curation.ingest.names import KnownNames, fold
from curation.ingest.request import ImportRequest
from curation.provenance.written_names import compose
from curation.tables.images import Split


@dataclass(frozen=True, slots=True)
class FolderLayout:
    """CLASS/.../file, or train/CLASS/.../file when every top folder is named for a split."""

    by_split: bool
    classes: frozenset[str]
    known: KnownNames  # the classes, to be found by names written elsewhere

    @classmethod
    def of(cls, files: Iterable[str]) -> "FolderLayout":
        """Find the layout from the paths of the files."""
        folders = {_folders(file.rpartition("/")[0])[:2] for file in files}
        tops = {folder[0] for folder in folders if folder}
        by_split = bool(tops) and all(top.lower() in SPLIT_NAMES for top in tops)
        depth = 1 if by_split else 0
        classes = frozenset(_class_name(folder[depth]) for folder in folders if len(folder) > depth)
        return cls(by_split, classes, KnownNames(classes))

    def check(self, table: Table, request: ImportRequest) -> None:
        """Raise BadInput when folders give the labels and two of them differ by case alone."""
        if request.label is not None or request.label_from not in (None, "folder") or table.decides:
            return
        first: dict[str, str] = {}
        for name in sorted(self.classes):
            if (other := first.setdefault(fold(name), name)) != name:
                raise BadInput(
                    f"the class folders {other!r} and {name!r} differ by case alone, and would be two classes. Give "
                    "them one name if they are one class, or names that differ in more."
                )

    def split_and_label(self, file: str) -> tuple[Split | None, str | None]:
        """The split and the label that the folders of a file name."""
        folders = _folders(file.rpartition("/")[0])
        if not self.by_split:
            return None, _class_name(folders[0]) if folders else None
        return parse_split(folders[0]) if folders else None, _class_name(folders[1]) if len(folders) > 1 else None


@lru_cache(1_024)
def _folders(path: str) -> tuple[str, ...]:
    return PurePosixPath(path).parts


def _class_name(folder: str) -> str:
    """The class that a folder is named for: in composed form, without space around it."""
    return compose(folder.strip()).strip()


def make_entry(
    file: str, layout: FolderLayout, row: TableEntry | None, table: Table, request: ImportRequest
) -> FileEntry:
    """Join what folders, table, pattern and request say of a file; raises BadInput for a contradiction."""
    split, folder = layout.split_and_label(file)
    labels = _settle_labels(folder, row, layout, table, request)
    if row and row.split:
        if split not in (None, row.split):
            raise BadInput(f"its folder says {split}, {table.name} says {row.split}")
        split = row.split
    subject = row.subject if row else None
    if subject is None and request.subject_regex is not None:
        match = request.subject_regex.search(compose(file))
        if not match or not match[1]:
            raise BadInput(f"the subject pattern {request.subject_pattern!r} finds nothing in its name")
        subject = match[1]
    return FileEntry(file, labels, subject, split, row.covariates if row else None, row.caption if row else None)


def _settle_labels(
    folder: str | None, row: TableEntry | None, layout: FolderLayout, table: Table, request: ImportRequest
) -> dict[str, float] | None:
    if request.label is not None:
        return {request.label: 1.0}
    if request.label_from == "mask" or request.label_keyword:
        return None
    table_labels = dict(row.labels) if row and row.labels and request.label_from != "folder" else None
    several = table.several_labels or (table_labels is not None and len(table_labels) > 1)
    if table.decides or several or request.label_from == "manifest":
        return table_labels
    named = next(iter(table_labels), None) if table_labels else None
    if named is not None and layout.classes:
        spelt = layout.known.find(named)
        if folder is not None and folder != (spelt or named):
            raise BadInput(f"its folder says {folder!r}, {table.name} says {named!r}")
        if spelt is None and not request.label_from:
            raise BadInput(f"the label {named!r} is none of the class folders {', '.join(sorted(layout.classes))}")
        named = spelt or named
    label = named or folder
    return None if label is None else {label: 1.0}
