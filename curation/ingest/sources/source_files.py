"""The files of a source: found below its folder without following links out, told apart, hashed, and probed."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from curation.errors import BadInput
from curation.ingest.formats import dicom_header, nifti_files, picture_files, tables
from curation.ingest.formats.dicom_preamble import begins_as_dicom
from curation.ingest.in_threads import in_threads
from curation.ingest.incoming import Rejected
from curation.ingest.request import ImportRequest
from curation.tables.images import Shape

MAX_PICTURE_BYTES = 1 << 30
_AT_ONCE = 1 << 20
_EXPECTED = ", ".join((*picture_files.SUFFIXES, ".dcm", *nifti_files.SUFFIXES))


class Kind(StrEnum):
    """How a file is read."""

    PICTURE = "picture"
    DICOM = "DICOM"
    NIFTI = "NIfTI"


@dataclass(slots=True)
class Listing:
    """What lies below a folder, by its path in it with / between the parts, sorted."""

    files: list[str]
    tables: list[str]  # metadata.csv, .parquet or .jsonl, which describe the files of their own folder
    rejected: list[Rejected]


@dataclass(frozen=True, slots=True)
class Examined:
    """A file's digest, and the shape its header promises; a header that cannot be read promises none."""

    file: str
    sha256: str
    shape: Shape | None


def kind_of(path: Path) -> Kind | None:
    """By its name; a file of an unknown name is DICOM when it begins like one."""
    name = path.name.lower()
    if name.endswith(picture_files.SUFFIXES):
        return Kind.PICTURE
    if nifti_files.is_nifti(name):
        return Kind.NIFTI
    if name.endswith(dicom_header.SUFFIXES) or begins_as_dicom(path):
        return Kind.DICOM
    return None


def list_folder(directory: Path) -> Listing:
    """Every file that can be read, and what else is there with the reason it is left out."""
    found = Listing([], [], [])
    for folder, folders, names in os.walk(directory, onerror=_refuse_whole):
        below = "" if folder == str(directory) else f"{Path(folder).relative_to(directory).as_posix()}/"
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        hidden = [name for name in folders if name.startswith(".")]
        folders[:] = sorted(set(folders) - set(links) - set(hidden))
        for name in (*hidden, *links, *names):
            path = Path(folder) / name
            file = f"{below}{name}".encode(errors="backslashreplace").decode()
            reason = refusal(path, directory)
            if reason:
                found.rejected.append(Rejected(file, reason))
            elif name in tables.BESIDE:
                found.tables.append(file)
            else:
                found.files.append(file)
    found.files.sort()
    found.tables.sort()
    found.rejected.sort(key=lambda fault: fault.source_file)
    return found


def refusal(path: Path, directory: Path) -> str | None:
    """Why a file below `directory` is not opened; None when it is."""
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
    if path.name == "DICOMDIR":
        return "a DICOM directory: the files that it lists are read themselves"
    return None if path.name in tables.BESIDE or kind_of(path) else f"not one of {_EXPECTED}"


def _leads_inside(path: Path, directory: Path) -> bool:
    try:
        return path.resolve().is_relative_to(directory)
    except (OSError, RuntimeError):  # a ring of links
        return False


def examine(directory: Path, files: Sequence[str], request: ImportRequest) -> Iterator[Examined]:
    """Hash every file and read the shape from its header, in the order given."""

    def one(file: str) -> Examined:
        return _examine(directory / file, file, request)

    return in_threads(one, files, "hash")


def _examine(path: Path, file: str, request: ImportRequest) -> Examined:
    kind = kind_of(path)
    with path.open("rb") as content:
        head = content.read(_AT_ONCE)
        digest = hashlib.sha256(head)
        while more := content.read(_AT_ONCE):
            digest.update(more)
    try:
        return Examined(file, digest.hexdigest(), _shape(path, kind, head, request))
    except BadInput:
        return Examined(file, digest.hexdigest(), None)


def _shape(path: Path, kind: Kind | None, head: bytes, request: ImportRequest) -> Shape | None:
    if kind is Kind.DICOM:
        return dicom_header.probe_dicom(path)
    if kind is Kind.NIFTI:
        return nifti_files.probe_nifti(path, request)
    enough = picture_files.header_suffices(head) or len(head) < _AT_ONCE
    return picture_files.probe_picture(head if enough else read_picture_file(path))


def read_picture_file(path: Path) -> bytes:
    """The bytes of a picture file; raises BadInput for one that no picture needs."""
    size = path.stat().st_size
    if size > MAX_PICTURE_BYTES:
        raise BadInput(f"{size:,} bytes: a picture file has at most {MAX_PICTURE_BYTES:,}")
    return path.read_bytes()


def _refuse_whole(error: OSError) -> None:
    raise BadInput(
        f"{error.filename} cannot be listed: {error.strerror}. Make it readable, or move it away."
    ) from error
