"""List, classify, hash and probe the files below a folder, without following links out of it."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePosixPath

from curation.errors import BadInput
from curation.ingest.formats import dicom_header, nifti_files, picture_files, tables
from curation.ingest.formats.dicom_preamble import begins_as_dicom
from curation.ingest.in_threads import map_in_threads
from curation.ingest.incoming import Rejected
from curation.ingest.names import KnownNames
from curation.ingest.request import ImportRequest
from curation.tables.images import Shape

MAX_PICTURE_BYTES = 1 << 30
_AT_ONCE = 1 << 20
_EXPECTED = ", ".join((*picture_files.SUFFIXES, ".dcm", *nifti_files.SUFFIXES))
ENDINGS = (*sorted(nifti_files.SUFFIXES, key=len, reverse=True), *picture_files.SUFFIXES, *dicom_header.SUFFIXES)


class FileKind(StrEnum):
    """How a file is read."""

    PICTURE = "picture"
    DICOM = "DICOM"
    NIFTI = "NIfTI"


@dataclass(slots=True)
class Listing:
    """The files below a folder, sorted: paths in it, with / between the parts."""

    files: list[str]
    tables: list[str]  # metadata.csv, .parquet or .jsonl, which describe the files of their own folder
    rejected: list[Rejected]


@dataclass(frozen=True, slots=True)
class Examined:
    """The digest of a file, and what its header says; without a shape when the header cannot be read."""

    file: str
    sha256: str
    kind: FileKind | None
    shape: Shape | None = None
    uid: str | None = None  # SOP Instance UID of a DICOM file


def kind_of(path: Path) -> FileKind | None:
    """Tell how a file is read, by its name; with an unknown name it is DICOM when it begins like DICOM."""
    name = path.name.lower()
    if name.endswith(picture_files.SUFFIXES):
        return FileKind.PICTURE
    if nifti_files.is_nifti(name):
        return FileKind.NIFTI
    if name.endswith(dicom_header.SUFFIXES) or begins_as_dicom(path):
        return FileKind.DICOM
    return None


def list_folder(directory: Path) -> Listing:
    """List every file that can be read, and every other with the reason why it is left out."""
    listing = Listing([], [], [])
    for folder, folders, names in os.walk(directory, onerror=_refuse_whole):
        below = "" if folder == str(directory) else f"{Path(folder).relative_to(directory).as_posix()}/"
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        hidden = [name for name in folders if name.startswith(".")]
        folders[:] = sorted(set(folders) - set(links) - set(hidden))
        for name in (*hidden, *links, *names):
            path = Path(folder) / name
            file = f"{below}{name}".encode(errors="backslashreplace").decode()
            reason = reason_to_refuse(path, directory)
            if reason:
                listing.rejected.append(Rejected(file, reason))
            elif is_table_beside(name):
                listing.tables.append(file)
            else:
                listing.files.append(file)
    listing.files.sort()
    listing.tables.sort()
    listing.rejected.sort(key=lambda fault: fault.source_file)
    return listing


def reason_to_refuse(path: Path, directory: Path) -> str | None:
    """The reason why a file below `directory` is not opened; None when it can be."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if path.name.startswith("."):
        return "hidden"
    if path.is_symlink():
        if not _leads_inside(path, directory):
            return "a link that leads outside the folder"
        if path.is_dir():
            return "a link to another folder"
    if not path.is_file() or not os.access(path, os.R_OK):
        return "not a file that can be read"
    if path.name.upper() == "DICOMDIR":
        return "a DICOM directory: the files that it lists are read themselves"
    return None if is_table_beside(path.name) or kind_of(path) else f"not one of {_EXPECTED}"


def is_table_beside(name: str) -> bool:
    """Whether a file is a table that describes the files of its folder: metadata.csv, in any case."""
    return name.lower() in tables.BESIDE


class FileFinder:
    """Finds files below a folder by the names that tables and patterns give them, one part of the path at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._folders: dict[str, KnownNames] = {}

    def find(self, name: str) -> str | None:
        """The path as it is spelt in the folder; None when no file has the name, or when several fit."""
        if os.path.lexists(self._directory / name):
            return name
        place = ""
        for part in PurePosixPath(name).parts:
            spelt = self._names_in(place).find(part)
            if spelt is None:
                return None
            place = f"{place}/{spelt}" if place else spelt
        return place or None

    def _names_in(self, folder: str) -> KnownNames:
        if folder not in self._folders:
            path = self._directory / folder
            names = os.listdir(path) if os.access(path, os.R_OK) and path.is_dir() else ()
            self._folders[folder] = KnownNames(names, ENDINGS)
        return self._folders[folder]


def _leads_inside(path: Path, directory: Path) -> bool:
    try:
        return path.resolve().is_relative_to(directory)
    except (OSError, RuntimeError):  # a ring of links
        return False


def examine(directory: Path, files: Sequence[str], request: ImportRequest) -> Iterator[Examined]:
    """Hash every file and read the shape from its header, in the order given."""
    return map_in_threads(partial(_examine, directory, request), files, "hash")


def _examine(directory: Path, request: ImportRequest, file: str) -> Examined:
    path = directory / file
    kind = kind_of(path)
    with path.open("rb") as content:
        head = content.read(_AT_ONCE)
        digest = hashlib.sha256(head)
        while more := content.read(_AT_ONCE):
            digest.update(more)
    try:
        shape, uid = _probe(path, kind, head, request)
    except BadInput:
        return Examined(file, digest.hexdigest(), kind)
    return Examined(file, digest.hexdigest(), kind, shape, uid)


def _probe(path: Path, kind: FileKind | None, head: bytes, request: ImportRequest) -> tuple[Shape | None, str | None]:
    if kind is FileKind.DICOM:
        return dicom_header.probe_dicom(path)
    if kind is FileKind.NIFTI:
        return nifti_files.probe_nifti(path, request), None
    enough = picture_files.header_suffices(head) or len(head) < _AT_ONCE
    return picture_files.probe_picture(head if enough else read_picture_file(path)), None


def read_picture_file(path: Path) -> bytes:
    """The bytes of a picture file; raises BadInput for a file larger than any picture."""
    size = path.stat().st_size
    if size > MAX_PICTURE_BYTES:
        raise BadInput(f"{size:,} bytes: a picture file has at most {MAX_PICTURE_BYTES:,}")
    return path.read_bytes()


def _refuse_whole(error: OSError) -> None:
    raise BadInput(
        f"{error.filename} cannot be listed: {error.strerror}. Make it readable, or move it away."
    ) from error
