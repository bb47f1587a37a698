"""Import a data set of `datasets`: a `save_to_disk` directory (Arrow), or Parquet files with pictures.

Read with pyarrow alone, so nothing of the directory is executed. The picture column is a struct of `bytes` and `path`;
a picture that is only a path elsewhere is refused. Features (class names) come from the schema's metadata, which
`datasets` writes into both formats. Splits come from `dataset_dict.json`'s folders or from the Parquet files' names.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow

from curation.errors import BadInput
from curation.ingest.burnt_in import looks_burnt_in
from curation.ingest.covariates import check_columns, covariates_of_row
from curation.ingest.formats.picture_files import decode_picture
from curation.ingest.formats.png_files import strip_png
from curation.ingest.formats.table_columns import LABEL, SPLIT, SUBJECT, find_columns, plain_name, usual_column
from curation.ingest.import_report import ImportReport
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Part, Rejected, Source, parse_split
from curation.ingest.preparing import prepare
from curation.ingest.request import NO_REQUEST, ImportRequest, flag_of
from curation.ingest.sources import arrow_files
from curation.progress import OnProgress, silent
from curation.project import Project
from curation.tables.images import Split

_OPTIONS = (  # that say how a data set with its pictures in it is read
    "label",
    "label_columns",
    "label_separator",
    "subject_column",
    "split_column",
    "caption_column",
    "covariates",
    "public_subjects",
    "size",
    "window",
    "gray",
)


def is_hugging_face(path: Path) -> bool:
    """Whether this module reads the data set at a path."""
    if path.is_file():
        return (
            path.suffix.lower() == ".parquet"
            and arrow_files.find_picture_column(arrow_files.read_schema(path)) is not None
        )
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        return True
    return any(_has_pictures(file) for file in arrow_files.parquet_files(path)[:1])


def _has_pictures(file: Path) -> bool:
    """Whether a Parquet file holds pictures; false for a damaged file, which is listed later."""
    try:
        return arrow_files.find_picture_column(arrow_files.read_schema(file)) is not None
    except BadInput:
        return False


def import_hugging_face(
    project: Project,
    now: datetime,
    path: Path,
    *,
    name: str | None = None,
    request: ImportRequest = NO_REQUEST,
    seed: int = 0,
    dry_run: bool = False,
    on_progress: OnProgress = silent,
) -> ImportReport:
    """Import the data set at `path`; raises BadInput when it has no pictures, or lacks a column asked for."""
    path = path.resolve()
    _check_options(path, request)
    shards = arrow_files.find_shards(path)
    if not shards:
        raise BadInput(f"{path} holds no .arrow or .parquet file of a data set.")
    columns = _Columns.of(arrow_files.read_schema(shards[0].path), request)
    for shard in shards[1:]:
        _check_columns_agree(columns, shards[0], shard, request)
    digest = hashlib.sha256()
    for done, shard in enumerate(shards):
        on_progress(done, len(shards), "looking at the files")
        with shard.path.open("rb") as content:
            digest.update(f"{shard.name}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    source = Source(
        name=name or path.name,
        content_digest=digest.hexdigest(),
        items=_parts(shards, columns, request),
        total=sum(arrow_files.count_rows(shard.path) for shard in shards),
        options=request.options(),
        private=not request.public_subjects,
        group_near_copies=request.group_near_copies,
    )
    return import_source(project, now, source, seed, on_progress, dry_run=dry_run)


def _check_options(path: Path, request: ImportRequest) -> None:
    """Raise BadInput for options that such a data set has no use for, which would be lost in silence."""
    useless = [flag_of(field) for field in request.options() if field not in _OPTIONS]
    if useless:
        raise BadInput(
            f"{', '.join(useless)} is for files in folders, and {path} is a data set with its pictures in it. Its "
            "columns say what they are: --label-column, --subject-column, --split-column, --caption-column, "
            "--covariate."
        )


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns are used, and the class names of those that hold numbers."""

    picture: str
    labels: tuple[str, ...]
    class_names: dict[str, list[str]]
    subject: str | None
    split: str | None
    caption: str | None

    @classmethod
    def of(cls, schema: pyarrow.Schema, request: ImportRequest) -> "_Columns":
        picture = arrow_files.find_picture_column(schema)
        if picture is None:
            raise BadInput("expected a column of pictures (a struct of bytes and path); the data set has none.")
        names = list(schema.names)
        place = "the data set"
        named = (request.subject_column, request.split_column, request.caption_column)
        asked = find_columns(place, names, [*request.label_columns, *named])
        subject = asked.get(request.subject_column or "") or usual_column(place, names, SUBJECT)
        check_columns(place, request.covariates, names, subject, only_columns=True)
        labels = tuple(dict.fromkeys(asked[name] for name in request.label_columns))
        if not labels and (label := usual_column(place, names, LABEL)):
            labels = (label,)
        if not labels and request.label is None:
            raise BadInput(
                f"expected a column label or labels, got {', '.join(names)}. Name another with --label-column."
            )
        return cls(
            picture,
            () if request.label else labels,
            {name: known_names for name in labels if (known_names := arrow_files.read_class_names(schema, name))},
            subject,
            asked.get(request.split_column or "") or usual_column(place, names, SPLIT),
            asked.get(request.caption_column or ""),
        )


def _check_columns_agree(
    columns: _Columns, first: arrow_files.Shard, shard: arrow_files.Shard, request: ImportRequest
) -> None:
    """Raise BadInput when a file of the data set would be read by other columns or class names than the first."""
    try:
        schema = arrow_files.read_schema(shard.path)
    except BadInput:
        return  # a damaged file is one refusal in the report
    try:
        agree = _Columns.of(schema, request) == columns
    except BadInput as error:
        raise BadInput(f"{shard.name}: {error}") from error
    if not agree:
        raise BadInput(
            f"{first.name} and {shard.name} have different columns or class names for labels, subjects or splits. "
            "Import them one by one, or write them alike."
        )


def _parts(shards: Sequence[arrow_files.Shard], columns: _Columns, request: ImportRequest) -> Iterator[Part]:
    """Yield one function for each row, so that threads decode; a shard that breaks off is one refusal."""
    wanted = [columns.picture, *columns.labels, *request.covariates]
    wanted += [name for name in (columns.subject, columns.split, columns.caption) if name]
    for shard in shards:
        position = 0
        try:
            for batch in arrow_files.read_batches(shard.path, list(dict.fromkeys(wanted))):
                batch.validate(full=True)  # offsets that lead out of a damaged file are not followed
                for row in batch.to_pylist():
                    yield partial(_read, f"{shard.name}#{position}", row, shard.split, columns, request)
                    position += 1
        except (pyarrow.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
            yield Rejected(shard.name, "the file breaks off or is damaged", type(error).__name__)


def _read(
    name: str, row: dict[str, Any], split: Split | None, columns: _Columns, request: ImportRequest
) -> list[IncomingImage | Rejected]:
    try:
        picture = row[columns.picture]
        content = picture["bytes"] if picture else None
        if not content:
            raise BadInput(
                "its picture is not in the data set, only a path to it. Save the data set with the pictures in it"
            )
        pixels, notes = decode_picture(content)
        split_name = str(row[columns.split]) if columns.split and row[columns.split] is not None else ""
        covariates, unread = covariates_of_row(
            {name: _text(row[name]) or "" for name in request.covariates}, request.covariates
        )
        image = IncomingImage(
            name,
            pixels,
            {request.label: 1.0} if request.label is not None else _labels(row, columns, request),
            _text(row[columns.subject]) if columns.subject else None,
            parse_split(split_name) if split_name else split,
            covariates=covariates or None,
            png=strip_png(content),
            burnt_in=looks_burnt_in(pixels),
            notes=(*notes, *unread),
            caption=_text(row[columns.caption]) if columns.caption else None,
        )
        return [prepare(image, request)]
    except BadInput as error:
        return [Rejected.because(name, error)]


def _labels(row: dict[str, Any], columns: _Columns, request: ImportRequest) -> dict[str, float]:
    if len(columns.labels) > 1:
        return {name: float(row[name]) for name in columns.labels if isinstance(row[name], bool | int | float)}
    [column] = columns.labels
    value, names = row[column], columns.class_names.get(column)
    several = value if isinstance(value, list) else [value]
    if isinstance(value, str) and request.label_separator:
        several = value.split(request.label_separator)
    labels = {}
    for label in several:
        if names is not None and isinstance(label, int) and label >= 0:
            if label >= len(names):
                raise BadInput(f"its label is {label}, and there are {len(names)} class names")
            labels[names[label]] = 1.0
        elif names is None and _text(label):
            labels[str(_text(label))] = 1.0
    if isinstance(value, list) and names is not None:
        return {name: labels.get(name, 0.0) for name in names}
    return labels


def _text(value: Any) -> str | None:
    return (str(value) if isinstance(value, bool) else plain_name(value)) or None
