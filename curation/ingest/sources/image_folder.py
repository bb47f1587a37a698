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
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path

from curation.errors import BadInput
from curation.ingest.covariates import check_keywords
from curation.ingest.formats.picture_files import quiet_decoders
from curation.ingest.formats.table_rows import SUFFIXES
from curation.ingest.formats.tables import BESIDE, Table, read_table
from curation.ingest.import_report import ImportReport
from curation.ingest.importer import import_source
from curation.ingest.incoming import FileEntry, Rejected, Source
from curation.ingest.names import SHOWN
from curation.ingest.preparing import prepared_shape
from curation.ingest.request import NO_REQUEST, ImportRequest
from curation.ingest.sources.file_reader import MOST_FILES, FileReader
from curation.ingest.sources.layout import FolderLayout, make_entry
from curation.ingest.sources.masks import MaskFiles
from curation.ingest.sources.source_files import FileKind, Listing, examine, kind_of, list_folder, reason_to_refuse
from curation.ingest.sources.table_match import (
    list_missed,
    list_named_files,
    match_files,
    match_uids,
    read_tables_beside,
    settle_missed,
)
from curation.ingest.sources.used_options import check_options_are_used
from curation.progress import OnProgress, silent
from curation.project import Project
from curation.tables.images import Shape

_REPORT_EVERY = 250  # headers


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
    source = open_image_folder(path, name=name, request=request, manifest=manifest, on_progress=on_progress)
    return import_source(project, now, source, seed, on_progress, dry_run=dry_run)


def open_image_folder(
    path: Path,
    *,
    name: str | None = None,
    request: ImportRequest = NO_REQUEST,
    manifest: Path | None = None,
    on_progress: OnProgress = silent,
    usual: tuple[Shape, str] | None = None,
) -> Source:
    """Open the folder or file at `path` as a source; raises BadInput when nothing can be read, or an option is wrong.

    Pictures of another shape than `usual` are refused, in which words name what has it; without it, than most files.
    """
    request.check()
    on_progress(0, 0, "listing the files and reading the tables")
    found = _find(path, request, manifest)
    directory, table = found.directory, found.table
    _check_columns_have_a_table(table, request, directory)
    masks = MaskFiles(directory, found.listing.files, request)
    files = [file for file in found.listing.files if file not in masks.files] if masks.files else found.listing.files
    notes = masks.count(files)
    if not table.by_uid:
        notes += settle_missed(table, list_missed(table, files), found.absent, len(files), request)
    layout = FolderLayout.of(files)
    layout.check(table, request)
    with quiet_decoders():
        seen = _examine_all(found, masks.files, request, manifest, on_progress)
    _check_keywords_have_files(seen, table, request)
    keys = seen.uids.values() if table.by_uid else files
    notes += check_options_are_used(request, seen.kinds, seen.shapes, table, keys)
    faults = set(table.faults)
    if table.by_uid:
        faults, uid_notes = _match_by_uid(found, seen, request)
        notes += uid_notes
    rejected = found.rejected()
    shape, others = usual or (seen.usual, MOST_FILES)
    reader = FileReader(directory, request, table.rows if table.by_uid else {}, shape, masks, others)
    for entry in _entries(files, faults, layout, table, request):
        if isinstance(entry, Rejected):
            rejected.append(entry)
            faults.add(entry.source_file)
    entries = (entry for entry in _entries(files, faults, layout, table, request) if isinstance(entry, FileEntry))
    return Source(
        name=name or _default_name(path, directory, found.listing, seen),
        content_digest=seen.digest,
        items=chain(rejected, (partial(reader.read, entry) for entry in entries)),
        total=len(rejected) + sum(file not in faults for file in files),
        options=request.options(),
        private=not request.public_subjects,
        group_near_copies=request.group_near_copies,
        notes=[*notes, *found.notes(manifest), *table.notes()],
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The folder, the files in it to read, the table that describes them, and its rows that fit no file.

    A table given beside a single file may describe more files: then its other rows are not reported.
    """

    directory: Path
    listing: Listing
    table: Table
    absent: list[str] = field(default_factory=list)
    is_single: bool = False

    def rejected(self) -> list[Rejected]:
        """What of the folder and of the table is left out."""
        unsaid = set(self.absent) if self.is_single else set()
        return [*self.listing.rejected, *(fault for fault in self.table.rejected if fault.source_file not in unsaid)]

    def notes(self, manifest: Path | None) -> list[str]:
        """What the report says of tables that are not read."""
        tables = ", ".join(self.listing.tables[:SHOWN])
        return [f"not read, since a --manifest was given: {tables}"] if manifest and tables else []


def _find(path: Path, request: ImportRequest, manifest: Path | None) -> _Found:
    path = path.resolve()
    if path.is_dir():
        listing = list_folder(path)
        if not listing.files:
            reasons = Counter(rejected.reason for rejected in listing.rejected).most_common(SHOWN)
            held = "; ".join(f"{count} files: {reason}" for reason, count in reasons)
            raise BadInput(
                f"{path} holds no file that can be read{f' ({held})' if held else ''}. Expected one folder per class, "
                "with pictures, DICOM or NIfTI files in it."
            )
        table = read_table(manifest, request, path) if manifest else read_tables_beside(path, listing, request)
        check_keywords(request.covariates, elsewhere=bool(table.scopes))
        return _Found(path, listing, table, [] if table.by_uid else match_files(table, listing.files))
    if not path.is_file():
        raise BadInput(f"{path} is not a directory.")
    if path.suffix.lower() in SUFFIXES:
        if manifest:
            raise BadInput(f"--manifest is for a folder or a file, and {path} is a table itself. Leave it out.")
        table = read_table(path, request)
        return _Found(path.parent, list_named_files(path.parent, table), table)
    check_keywords(request.covariates, elsewhere=manifest is not None)
    if reason := reason_to_refuse(path, path.parent):
        raise BadInput(f"{path}: {reason}, and not a table ({', '.join(SUFFIXES)}).")
    listing, table = Listing([path.name], [], []), read_table(manifest, request, path.parent) if manifest else Table()
    absent = [] if table.by_uid else match_files(table, listing.files)
    return _Found(path.parent, listing, table, absent, is_single=True)


def _match_by_uid(found: _Found, seen: "_Examination", request: ImportRequest) -> tuple[set[str], list[str]]:
    """Match rows by SOP Instance UID with files: the files whose rows are refused, and notes on those without a row."""
    table = found.table
    faults = {file for file, uid in seen.uids.items() if uid in table.faults}
    missed = [file for file, uid in seen.uids.items() if uid not in table.rows and file not in faults]
    found.absent.extend(match_uids(table, seen.uids.values()))
    return faults, settle_missed(table, missed, found.absent, len(seen.uids), request)


def _check_columns_have_a_table(table: Table, request: ImportRequest, directory: Path) -> None:
    named = (request.file_column, request.subject_column, request.split_column, request.caption_column)
    asked = [*named, *request.label_columns]
    columns = [name for name in asked if name is not None]
    if columns and not table.scopes:
        raise BadInput(
            f"no column {', '.join(columns)}: there is no table. Expected one beside the files ({BESIDE[0]} in "
            f"{directory}), or --manifest TABLE."
        )


def _check_keywords_have_files(seen: "_Examination", table: Table, request: ImportRequest) -> None:
    """Raise BadInput for DICOM keywords where no file is DICOM, and for a covariate no table has such a column."""
    if FileKind.DICOM in seen.kinds:
        return
    if request.label_keyword:
        raise BadInput(f"labels from {request.label_keyword}: no file here is DICOM. See --label-from.")
    nowhere = [name for name in request.covariates if name not in table.columns]
    if nowhere:
        raise BadInput(f"{', '.join(nowhere)}: no file here is DICOM, and no table has such a column.")


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
    """The digests of all files, and what their headers say."""

    digest: str  # over tables and files, by name
    files_digest: str  # over what is in the files
    usual: Shape | None  # that most pictures have
    kinds: set[FileKind | None]  # of files, masks left out
    shapes: set[Shape]  # of readable pictures, before size, window or gray
    uids: dict[str, str | None]  # of readable pictures, where the table names them by SOP Instance UID


def _examine_all(
    found: _Found, masks: Container[str], request: ImportRequest, manifest: Path | None, on_progress: OnProgress
) -> _Examination:
    digest, inside = hashlib.sha256(), hashlib.sha256()
    shapes: set[Shape] = set()
    prepared: Counter[Shape] = Counter()
    uids: dict[str, str | None] = {}
    kinds: set[FileKind | None] = set()
    beside = [(file, found.directory / file) for file in found.listing.tables]
    for file, path in beside + ([("", manifest)] if manifest else []):
        with path.open("rb") as content:
            digest.update(f"{file}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    for done, examined in enumerate(examine(found.directory, found.listing.files, request)):
        if done % _REPORT_EVERY == 0:
            on_progress(done, len(found.listing.files), "looking at the headers")
        digest.update(f"{examined.file}\0{examined.sha256}\n".encode())
        inside.update(examined.sha256.encode())
        if examined.file not in masks:
            kinds.add(examined.kind)
        if examined.shape and examined.file not in masks:
            shapes.add(examined.shape)
            prepared[prepared_shape(examined.shape, request)] += 1
            if found.table.by_uid:
                uids[examined.file] = examined.uid
    usual = prepared.most_common(1)[0][0] if prepared else None
    return _Examination(digest.hexdigest(), inside.hexdigest(), usual, kinds, shapes, uids)


def _default_name(path: Path, directory: Path, listing: Listing, seen: _Examination) -> str:
    """The name of the folder; for medical files their kind and digest, since names may be of patients."""
    kind = kind_of(directory / listing.files[0]) if listing.files else None
    if kind is not None and kind is not FileKind.PICTURE:
        return f"{kind.lower()}-{seen.files_digest[:8]}"
    return path.resolve().name
