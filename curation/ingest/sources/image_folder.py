"""Import a folder, a file or a table of files: pictures, DICOM and NIfTI, recognised file by file.

    CLASS/.../file            the first folder is the label
    train/CLASS/.../file      when every folder is named for a split, the second one is

`metadata.csv`, `.parquet` or `.jsonl` in a folder describes the files below it (file or file_name, label, subject,
split); a table that is itself the source, or given beside it, may have any columns. Subjects come from the table, a
pattern over the path, or PatientID; without any each picture, volume or study is its own.
"""

import hashlib
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path

from curation.errors import BadInput
from curation.ingest.covariates import check_keywords
from curation.ingest.formats import tables
from curation.ingest.formats.picture_files import quiet_decoders
from curation.ingest.formats.tables import Table, read_table
from curation.ingest.import_report import ImportReport
from curation.ingest.importer import import_source
from curation.ingest.incoming import FileEntry, Rejected, Source
from curation.ingest.preparing import prepared_shape
from curation.ingest.request import NO_REQUEST, ImportRequest
from curation.ingest.sources.file_reader import FileReader
from curation.ingest.sources.layout import FolderLayout, make_entry
from curation.ingest.sources.masks import list_mask_files
from curation.ingest.sources.source_files import FileKind, Listing, examine, kind_of, list_folder, reason_to_refuse
from curation.progress import OnProgress, silent
from curation.project import Project
from curation.tables.images import Shape


def import_image_folder(
    project: Project,
    now: datetime,
    path: Path,
    *,
    name: str | None = None,
    request: ImportRequest = NO_REQUEST,
    manifest: Path | None = None,
    seed: int = 0,
    dry_run: bool = False,
    on_progress: OnProgress = silent,
) -> ImportReport:
    """Import the folder or file at `path`; raises BadInput when nothing can be read, or an option is wrong."""
    request.check()
    directory, listing, table = _find(path, request, manifest)
    masks = list_mask_files(listing.files, request) if request.masks else set()
    with quiet_decoders():
        seen = _examine_all(directory, listing, masks, request, manifest)
    rejected = [*listing.rejected, *table.rejected]
    reader = FileReader(directory, request, table.rows if table.by_uid else {}, seen.usual)
    files = [file for file in listing.files if file not in masks] if masks else listing.files
    layout = FolderLayout.of(files)
    faults = {fault.source_file for fault in table.rejected}
    for entry in _entries(files, faults, layout, table, request):
        if isinstance(entry, Rejected):
            rejected.append(entry)
            faults.add(entry.source_file)
    entries = (entry for entry in _entries(files, faults, layout, table, request) if isinstance(entry, FileEntry))
    source = Source(
        name=name or _default_name(path, directory, listing, seen),
        content_digest=seen.digest,
        items=chain(rejected, (partial(reader.read, entry) for entry in entries)),
        total=len(rejected) + sum(file not in faults for file in files),
        options=request.options(),
        private=not request.public_subjects,
        notes=[f"columns not used: {', '.join(table.unused)}"] if table.unused else [],
    )
    return import_source(project, now, source, seed, on_progress, dry_run=dry_run)


def _find(path: Path, request: ImportRequest, manifest: Path | None) -> tuple[Path, Listing, Table]:
    """The folder, the files in it to read, and the table that describes them."""
    path = path.resolve()
    if path.is_dir():
        listing = list_folder(path)
        if not listing.files:
            raise BadInput(
                f"{path} holds no file that can be read. Expected one folder per class, "
                "with pictures, DICOM or NIfTI files in it."
            )
        table = read_table(manifest, request) if manifest else _tables_beside(path, listing, request)
        check_keywords(request.covariates, elsewhere=bool(table.rows))
        if not table.by_uid:
            absent = sorted(set(table.rows).difference(listing.files))
            table.rejected += [Rejected(file, f"named in {table.name}, but not among the pictures") for file in absent]
        return path, listing, table
    if not path.is_file():
        raise BadInput(f"{path} is not a directory.")
    if path.suffix in tables.SUFFIXES:
        table = read_table(path, request)
        return path.parent, _listed(path.parent, table), table
    check_keywords(request.covariates, elsewhere=manifest is not None)
    if reason := reason_to_refuse(path, path.parent):
        raise BadInput(f"{path}: {reason}.")
    return path.parent, Listing([path.name], [], []), read_table(manifest, request) if manifest else Table()


def _tables_beside(directory: Path, listing: Listing, request: ImportRequest) -> Table:
    whole = Table()
    for file in listing.tables:
        below = str(Path(file).parent)
        table = read_table(directory / file, request, below="" if below == "." else below, beside=True)
        whole.name, whole.by_uid, whole.several_labels = table.name, table.by_uid, table.several_labels
        whole.rows |= table.rows
        whole.rejected += table.rejected
        whole.unused += [name for name in table.unused if name not in whole.unused]
    return whole


def _listed(directory: Path, table: Table) -> Listing:
    """The files that a table names and that can be opened."""
    if table.by_uid:
        raise BadInput(
            f"{table.name} names files by SOP Instance UID: import their folder with --manifest {table.name}."
        )
    listing = Listing([], [table.name], [])
    for file in table.rows:
        path = directory / file
        is_there = path.exists() or path.is_symlink()
        reason = reason_to_refuse(path, directory) if is_there else f"named in {table.name}, but not there"
        if reason is None and not path.resolve().is_relative_to(directory):
            reason = "a link that leads outside the folder"
        if reason:
            listing.rejected.append(Rejected(file, reason))
        else:
            listing.files.append(file)
    return listing


def _entries(
    files: Sequence[str], faults: Container[str], layout: FolderLayout, table: Table, request: ImportRequest
) -> Iterator[FileEntry | Rejected]:
    """Yield the entry of each file without a fault; made again on each call, to save memory."""
    for file in files:
        if file in faults:
            continue
        try:
            yield make_entry(file, layout, None if table.by_uid else table.rows.get(file), table, request)
        except BadInput as error:
            yield Rejected(file, str(error))


@dataclass(frozen=True, slots=True)
class _Examination:
    """The digests and the commonest shape of all files."""

    digest: str  # over tables and files, by name
    files_digest: str  # over what is in the files
    usual: Shape | None  # that most pictures have


def _examine_all(
    directory: Path, listing: Listing, masks: Container[str], request: ImportRequest, manifest: Path | None
) -> _Examination:
    digest, inside = hashlib.sha256(), hashlib.sha256()
    shapes: Counter[Shape] = Counter()
    for file, path in [(file, directory / file) for file in listing.tables] + ([("", manifest)] if manifest else []):
        with path.open("rb") as content:
            digest.update(f"{file}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    for examined in examine(directory, listing.files, request):
        digest.update(f"{examined.file}\0{examined.sha256}\n".encode())
        inside.update(examined.sha256.encode())
        if examined.shape and examined.file not in masks:
            shapes[prepared_shape(examined.shape, request)] += 1
    usual = shapes.most_common(1)[0][0] if shapes else None
    return _Examination(digest.hexdigest(), inside.hexdigest(), usual)


def _default_name(path: Path, directory: Path, listing: Listing, seen: _Examination) -> str:
    """The name of the folder; for medical files their kind and digest, since names may be of patients."""
    kind = kind_of(directory / listing.files[0]) if listing.files else None
    if kind is not None and kind is not FileKind.PICTURE:
        return f"{kind.lower()}-{seen.files_digest[:8]}"
    return path.resolve().name
