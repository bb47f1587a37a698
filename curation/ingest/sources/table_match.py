"""Match the rows of tables with the files of a source, and stop where a table misses pictures.

A picture without its row comes in without its patient. That is the worst that an import can lose, since pictures of
one patient may then be in training and in test: it is an error unless the request allows it.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from curation.errors import BadInput
from curation.ingest.formats.tables import Table, TableScope, read_table
from curation.ingest.incoming import Rejected
from curation.ingest.names import KnownNames, Unmatched, keep_nearest, some_of
from curation.ingest.request import ImportRequest
from curation.ingest.sources.source_files import ENDINGS, FileFinder, Listing, reason_to_refuse

_COSTS = {
    "subjects": "each would count as a patient of its own, and pictures of one patient may be in training and in test",
    "labels": "their labels would be missing or come from elsewhere",
    "splits": "their splits would be drawn",
}


def read_tables_beside(directory: Path, listing: Listing, request: ImportRequest) -> Table:
    """Read the `metadata` tables of a folder and of the folders below it as one."""
    whole = Table()
    for file in listing.tables:
        below = str(Path(file).parent)
        whole.add_all(
            read_table(directory / file, request, directory, below="" if below == "." else below, beside=True)
        )
    return whole


def match_files(table: Table, files: Sequence[str]) -> list[str]:
    """Put the rows under the names that the files have, and refuse those that fit no file, or several.

    Returns the names in the table that fit no file.
    """
    known = KnownNames(files, ENDINGS)
    absent = _place_rows(table, known.find)
    for name in absent:
        several = "and several files fit that name"
        is_several = len(known.fitting(name)) > 1
        table.refuse(name, f"named in {table.name}, {several if is_several else 'but not among the pictures'}")
    return absent


def _place_rows(table: Table, find: Callable[[str], str | None]) -> list[str]:
    """Put the rows under the names that `find` gives; return the names that it has none for, whose rows are gone.

    Where several names in the table mean one file, the nearest counts: `a.png` before `A.png`.
    """
    rows, table.rows = table.rows, {}
    faults, table.faults = table.faults, {}
    spelt = keep_nearest({name: file for name in (*faults, *rows) if (file := find(name)) is not None})
    for name, reason in faults.items():
        table.refuse(spelt.get(name, name), reason)
    for name, entry in rows.items():
        if name in spelt:
            table.add(spelt[name], entry)
    return [name for name in (*faults, *rows) if name not in spelt]


def match_uids(table: Table, uids: Iterable[str | None]) -> list[str]:
    """Refuse and return the rows whose SOP Instance UID no file has."""
    absent = sorted(table.rows.keys() - set(uids))
    for uid in absent:
        table.refuse(uid, f"named in {table.name}, but no file has this SOP Instance UID")
    return absent


def list_named_files(directory: Path, table: Table) -> Listing:
    """List the files that a table names and that can be opened, and put its rows under the names that they have."""
    if table.by_uid:
        raise BadInput(
            f"{table.name} names files by SOP Instance UID: import their folder with --manifest {table.name}."
        )
    listing, finder = Listing([], [table.name], []), FileFinder(directory)
    for name in _place_rows(table, finder.find):
        if name not in table.faults:
            listing.rejected.append(Rejected(name, f"named in {table.name}, but not there"))
    for file in list(table.rows):
        refusal = reason_to_refuse(directory / file, directory)
        if refusal is None and not (directory / file).resolve().is_relative_to(directory):
            refusal = "a link that leads outside the folder"
        if refusal:
            listing.rejected.append(Rejected(file, refusal))
            del table.rows[file]
    listing.files = list(table.rows)
    return listing


def list_missed(table: Table, pictures: Iterable[str]) -> list[str]:
    """The pictures that no row names, though a table of their folder was to give subjects, labels or splits."""
    known = table.rows.keys() | table.faults.keys()
    return [file for file in pictures if file not in known and any(scope.gives for scope in scopes_of(table, file))]


def scopes_of(table: Table, file: str) -> list[TableScope]:
    """The tables that describe the folder of a file, or one above it."""
    if len(table.scopes) == 1 and not table.scopes[0].below:
        return table.scopes
    folders = {"" if folder == "." else folder for folder in map(str, PurePosixPath(file).parents)}
    return [scope for scope in table.scopes if scope.below in folders]


def settle_missed(
    table: Table, missed: Sequence[str], absent: Sequence[str], pictures: int, request: ImportRequest
) -> list[str]:
    """Say which pictures a table misses: as a note if the request allows it; else raises Unmatched."""
    scopes = [scope for file in missed for scope in scopes_of(table, file) if scope.gives]
    if not scopes:
        return []
    names = ", ".join(dict.fromkeys(scope.table for scope in scopes))
    gives = [what for what in _COSTS if any(what in scope.gives for scope in scopes)]
    lost = " and ".join(gives)
    if request.allow_unmatched:
        return [f"{len(missed)} pictures are not in {names} and came in without its {lost}: --allow-unmatched"]
    counted = f"{names} was to give {lost}, and misses {len(missed)} of {pictures} pictures"
    fitting_none = f"; {len(absent)} of its rows fit no picture" if absent else ""
    advice = (
        f". Imported without it, {'; '.join(_COSTS[what] for what in gives)}. Correct the names in the table, or take "
        "the pictures that it does not name out of the source; --allow-unmatched imports them without what it gives."
    )
    raise Unmatched(
        f"{counted}{some_of(missed)}{fitting_none}{some_of(absent)}{advice}", f"{counted}{fitting_none}{advice}"
    )
