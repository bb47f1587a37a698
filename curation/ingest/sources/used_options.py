"""Refuse options of an import that the files of a folder have no use for."""

from collections.abc import Collection, Iterable

from curation.errors import BadInput
from curation.ingest.formats.tables import Table
from curation.ingest.request import ImportRequest, flag_of
from curation.ingest.sources.source_files import FileKind
from curation.tables.images import Shape

_OF_NIFTI = ("plane", "volume", "slices", "quantise")


def check_options_are_used(
    request: ImportRequest,
    kinds: Collection[FileKind | None],
    shapes: Collection[Shape],
    table: Table,
    keys: Iterable[str | None],
) -> list[str]:
    """Note an idle label separator; raises BadInput for options without a use here.

    `shapes` are those of the files by their headers, `keys` the names of the pictures in the table: their files, or
    their SOP Instance UIDs.
    """
    _check_values_are_changed(request, kinds, shapes)
    options = request.options()
    useless = [flag_of(name) for name in _OF_NIFTI if name in options]
    if useless and FileKind.NIFTI not in kinds:
        raise BadInput(f"{', '.join(useless)} is for NIfTI volumes, and no file here is one. Leave it out.")
    if request.label_separator is not None and not _table_labels(request, table):
        raise BadInput(
            "--label-separator is for a column of a table that lists labels, and no table gives the labels here. Leave "
            "it out, or name the table with --manifest."
        )
    if request.subject_pattern is not None and _gives_every_subject(table, keys):
        raise BadInput(
            f"--subject-pattern is for files without a subject, and {table.name} gives a subject to every one. Leave "
            "it out."
        )
    is_idle = request.label_separator is not None and all(len(row.labels or ()) < 2 for row in table.rows.values())
    return [f"the label separator {request.label_separator!r} stands in no label of {table.name}"] if is_idle else []


def _check_values_are_changed(
    request: ImportRequest, kinds: Collection[FileKind | None], shapes: Collection[Shape]
) -> None:
    """Raise BadInput where every file has the depth, or the channels, that an option was to bring it to."""
    if not shapes:
        return
    if request.gray and all(channels == 1 for _, _, channels, _ in shapes):
        raise BadInput("--gray is for RGB images that show only gray, and every image here is gray. Leave it out.")
    are_8_bit = all(bits == 8 for _, _, _, bits in shapes)
    if request.window is not None and are_8_bit and set(kinds) <= {FileKind.PICTURE}:
        raise BadInput(
            "--window is for 16 bit gray, and for 8 bit gray with a slope or an intercept, and every image here has 8 "
            "bit and neither. Leave it out."
        )


def _table_labels(request: ImportRequest, table: Table) -> bool:
    return request.label_from in (None, "manifest") and any("labels" in scope.gives for scope in table.scopes)


def _gives_every_subject(table: Table, keys: Iterable[str | None]) -> bool:
    rows = [table.rows.get(key) if key else None for key in keys if key not in table.faults]
    return bool(rows) and all(row is not None and row.subject for row in rows)
