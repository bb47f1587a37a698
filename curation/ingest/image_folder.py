"""Import a directory with one folder per class, with an optional `metadata.csv` (file, label, subject, split).

    CLASS/.../picture.png            the first folder is the label
    train/CLASS/.../picture.png      when every folder is named for a split, the second one is

Subjects come from the table, or from the file's name by a pattern; without either each picture is its own.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from curation.errors import BadInput
from curation.ingest.folder_metadata import FILE_NAME, Described, read_metadata
from curation.ingest.importer import describe_shape, import_source
from curation.ingest.incoming import SPLIT_NAMES, ImportReport, IncomingImage, Progress, Rejected, Source, split_named
from curation.ingest.picture_files import SUFFIXES, Shape, probe, read_picture
from curation.models.images import Split
from curation.project import Project


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that can be imported as far as its name and its row in the table go."""

    file: str
    label: str
    subject: str | None
    split: Split | None


def import_image_folder(
    project: Project,
    now: datetime,
    directory: Path,
    *,
    name: str | None = None,
    subject_pattern: str | None = None,
    seed: int = 0,
    on_progress: Progress = lambda *_: None,
) -> ImportReport:
    """Import `directory`; raises BadInput when nothing in it can be a picture, or the table or the pattern is wrong."""
    source = open_image_folder(directory, name, subject_pattern)
    return import_source(project, now, source, seed, on_progress)


def open_image_folder(directory: Path, name: str | None = None, subject_pattern: str | None = None) -> Source:
    """List the directory and hash its files; pictures are decoded when the source is consumed."""
    directory = directory.resolve()
    if not directory.is_dir():
        raise BadInput(f"{directory} is not a directory.")
    pattern = _compile(subject_pattern)
    files, rejected = _list_files(directory)
    if not files:
        raise BadInput(
            f"{directory} holds no {', '.join(SUFFIXES)} file. Expected one folder per class with the pictures in it."
        )
    table, faulty_rows = read_metadata(directory / FILE_NAME)
    rejected += faulty_rows
    refused = {fault.source_file for fault in faulty_rows}
    absent = sorted(table.keys() - set(files))
    rejected += [Rejected(file, f"named in {FILE_NAME}, but not among the pictures") for file in absent]
    entries = []
    layout = _Layout.of(files)
    for file in files:
        if file in refused:
            continue
        try:
            entries.append(_entry(file, layout, table.get(file), pattern))
        except BadInput as error:
            rejected.append(Rejected(file, str(error)))
    return Source(
        name=name or directory.name,
        content_digest=_digest(directory, files),
        items=_items(directory, entries, rejected),
        total=len(entries) + len(rejected),
        options={"subject_pattern": subject_pattern} if subject_pattern else {},
    )


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the folders mean: the first is the class, or the split with the class below it."""

    by_split: bool
    classes: frozenset[str]

    @classmethod
    def of(cls, files: list[str]) -> "_Layout":
        parts = [PurePosixPath(file).parts for file in files]
        tops = {part[0] for part in parts if len(part) > 1}
        by_split = bool(tops) and all(top.lower() in SPLIT_NAMES for top in tops)
        depth = 1 if by_split else 0
        return cls(by_split, frozenset(part[depth] for part in parts if len(part) > depth + 1))

    def split_and_label(self, file: str) -> tuple[Split | None, str | None]:
        folders = PurePosixPath(file).parts[:-1]
        if not self.by_split:
            return None, folders[0] if folders else None
        return split_named(folders[0]) if folders else None, folders[1] if len(folders) > 1 else None


def _entry(file: str, layout: _Layout, row: Described | None, pattern: re.Pattern[str] | None) -> Entry:
    split, folder_label = layout.split_and_label(file)
    label = _settle_label(folder_label, row.label if row else None, layout)
    if row and row.split:
        if split not in (None, row.split):
            raise BadInput(f"its folder says {split}, {FILE_NAME} says {row.split}")
        split = row.split
    subject = row.subject if row else None
    if subject is None and pattern is not None:
        match = pattern.search(file)
        if not match or not match[1]:
            raise BadInput(f"the subject pattern {pattern.pattern!r} finds nothing in its name")
        subject = match[1]
    return Entry(file, label, subject, split)


def _settle_label(folder: str | None, row: str | None, layout: _Layout) -> str:
    label = row or folder
    if label is None:
        raise BadInput(f"no label: it is in no class folder, and {FILE_NAME} gives none")
    if folder not in (None, label):
        raise BadInput(f"its folder says {folder!r}, {FILE_NAME} says {label!r}")
    if layout.classes and label not in layout.classes:
        raise BadInput(f"the label {label!r} is none of the class folders {', '.join(sorted(layout.classes))}")
    return label


def _compile(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise BadInput(f"the subject pattern {pattern!r} is not a regular expression: {error}.") from error
    if compiled.groups != 1:
        raise BadInput(f"expected one group in the subject pattern, as in (patient\\d+)_, got {pattern!r}.")
    return compiled


def _list_files(directory: Path) -> tuple[list[str], list[Rejected]]:
    """Every picture file below the directory, sorted, and what else is there with the reason it is left out."""
    files, rejected = [], []
    for folder, folders, names in os.walk(directory, onerror=_refuse_whole):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        hidden = [name for name in folders if name.startswith(".")]
        folders[:] = sorted(set(folders) - set(links) - set(hidden))
        for name in (*hidden, *links, *names):
            path = Path(folder) / name
            file = path.relative_to(directory).as_posix().encode(errors="backslashreplace").decode()
            reason = _refusal(path, directory)
            if reason:
                rejected.append(Rejected(file, reason))
            elif file != FILE_NAME:
                files.append(file)
    return sorted(files), sorted(rejected, key=lambda fault: fault.source_file)


def _refuse_whole(error: OSError) -> None:
    raise BadInput(
        f"{error.filename} cannot be listed: {error.strerror}. Make it readable, or move it away."
    ) from error


def _refusal(path: Path, directory: Path) -> str | None:
    if any("\ud800" <= character <= "\udfff" for character in path.name):
        return "its name is not UTF-8"
    if path.name.startswith("."):
        return "hidden"
    if path.is_symlink() and not path.resolve().is_relative_to(directory):
        return "a link that leads outside the folder"
    if path.is_dir():
        return "a link to another folder"
    if not path.is_file() or not os.access(path, os.R_OK):
        return "not a file that can be read"
    if path.relative_to(directory).as_posix() == FILE_NAME or path.suffix.lower() in SUFFIXES:
        return None
    return f"not one of {', '.join(SUFFIXES)}"


def _digest(directory: Path, files: list[str]) -> str:
    digest = hashlib.sha256()
    table = [FILE_NAME] if (directory / FILE_NAME).is_file() else []
    for file in [*table, *files]:
        with (directory / file).open("rb") as content:
            digest.update(f"{file}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _items(directory: Path, entries: list[Entry], rejected: list[Rejected]) -> Iterator[IncomingImage | Rejected]:
    """Refuse what is unreadable or not of the shape that most files have, and decode the rest one by one."""
    yield from rejected
    shapes: dict[str, Shape] = {}
    for entry in entries:
        try:
            shapes[entry.file] = probe(directory / entry.file)
        except BadInput as error:
            yield Rejected(entry.file, str(error))
    usual = Counter(shapes.values()).most_common(1)[0][0] if shapes else None
    for entry in entries:
        if entry.file in shapes:
            yield _read(directory, entry, shapes[entry.file], usual)


def _read(directory: Path, entry: Entry, shape: Shape, usual: Shape | None) -> IncomingImage | Rejected:
    if usual is not None and shape != usual:
        reason = f"expected {describe_shape(*usual)} as most files here, got {describe_shape(*shape)}"
        return Rejected(entry.file, reason)
    try:
        pixels = read_picture(directory / entry.file)
    except BadInput as error:
        return Rejected(entry.file, str(error))
    return IncomingImage(entry.file, pixels, entry.label, entry.subject, entry.split)
