"""Check a whole project: stored files, rows, folders, snapshots and the chain of events.

Verification repairs nothing. A missing or altered file, snapshot or event is a fault; so is a file of a withdrawn image
that is still stored, and so are rows that contradict each other. Interrupted work leaves orphan files (no row points at
them), `.part` files and rows that are `building`: they are listed, and harmless.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import select

from curation.audit import ChainReport, torn_anchors
from curation.errors import BadInput, RoundsError
from curation.progress import OnProgress
from curation.project import Project
from curation.snapshots.folder import SPLITS, SnapshotFolder
from curation.tables.images import BuildStatus, Image
from curation.tables.training import Snapshot
from curation.verification.folders import folder_faults, torn_embeddings, unfinished_work, vectors_of_withdrawn
from curation.verification.outcomes import frozen_reading_faults, outcome_faults
from curation.verification.outdated_outcomes import outdated_outcomes
from curation.verification.recorded import recorded_faults
from curation.verification.rows import row_faults
from curation.verification.set_aside import folders_set_aside
from curation.verification.snapshot_folders import verify_folder
from curation.verification.stored_files import (
    content_faults,
    count_files,
    drawn_files,
    expected_files,
    file_faults,
    leftovers,
    parts_of_store,
    withdrawn_files_left,
)
from curation.verification.stored_values import stored_value_faults

AGAIN = "`rounds withdraw SUBJECT --yes` again removes it"
ROW_CHECKS = {
    "stored values": stored_value_faults,
    "rows": row_faults,
    "outcomes": outcome_faults,
    "frozen readings": frozen_reading_faults,
}
LISTED = 1_000  # of each kind; the rest is counted


@dataclass(slots=True)
class Verification:
    """The result of a verification; `faults` is empty when everything is as it was stored.

    `sampled` says that only so many files were read; `outdated` names worklists under way whose stored outcomes are
    older than their readings, which is harmless; `not_covered` counts rows whose events keep no digest of what they
    say. Of each list the first thousand are kept, the last line counts the rest.
    """

    files: int = 0
    snapshots: int = 0
    chain: ChainReport = field(default_factory=lambda: ChainReport(0, 0, []))
    faults: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    building: list[str] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)
    not_covered: list[str] = field(default_factory=list)
    sampled: bool = False


def verify_project(
    project: Project, report: OnProgress, *, pixels: bool = False, sample: int | None = None, seed: int = 0
) -> Verification:
    """Check every stored file, row, folder, snapshot and event.

    With `pixels`, decode each image and check its values too. With `sample`, read that many files only, drawn by
    `seed`, and of snapshots the digest only: minutes become seconds, and what was not drawn is not known.
    """
    result = Verification(sampled=sample is not None)
    try:
        project.database.check_revision()
    except RoundsError as error:
        check_without_database(project, result, report, str(error))
        return result
    with _going_on(result, "files"):
        if sample is None:
            _check_store(project, result, report, pixels)
        else:
            _check_sample(project, result, sample, seed, pixels)
    report(0, 0, "rows")
    _check_rows(project, result)
    _collect(result.unfinished, torn_embeddings(project))
    _collect(result.unfinished, folders_set_aside(project))
    with _going_on(result, "snapshots"):
        _check_snapshots(project, result, report, whole=sample is None)
    with _going_on(result, "events"):
        try:
            _check_events(project, result)
        except BadInput as error:  # the key is missing, or cannot be read
            result.faults.append(f"events: {error}")
    return result


@contextmanager
def _going_on(result: Verification, what: str) -> Iterator[None]:
    """Make a fault of what keeps a part from being checked, so that the others still are."""
    try:
        yield
    except Exception as error:  # rows on a damaged page fail with nearly every type there is
        result.faults.append(f"{what} cannot be checked: {error}")


def _check_rows(project: Project, result: Verification) -> None:
    """Check rows, and folders against rows; each part reads one state of the database."""
    for what, check in ROW_CHECKS.items():
        with _going_on(result, what), project.database.read() as session:
            _collect(result.faults, check(session))
    with _going_on(result, "stored outcomes"), project.database.read() as session:
        for outdated in outdated_outcomes(session):
            (result.faults if outdated.closed else result.outdated).append(outdated.line)
    with _going_on(result, "folders"), project.database.read() as session:
        _collect(result.faults, folder_faults(project, session))
    with _going_on(result, "embeddings"), project.database.read() as session:
        _collect(result.faults, (f"{left}: {AGAIN}" for left in vectors_of_withdrawn(project, session)))
    with _going_on(result, "unfinished work"), project.database.read() as session:
        result.building = unfinished_work(session)


def _check_snapshots(project: Project, result: Verification, report: OnProgress, whole: bool) -> None:
    with project.database.read() as session:
        withdrawn_pixels = set(session.scalars(select(Image.pixel_sha256).where(Image.withdrawn_at.is_not(None))))
        columns = (Snapshot.name, Snapshot.directory, Snapshot.digest)
        snapshots = session.execute(select(*columns).where(Snapshot.status == BuildStatus.READY)).all()
    for name, directory, digest in snapshots:
        faults = _snapshot_faults(project, name, directory, digest, withdrawn_pixels, report, whole)
        _collect(result.faults, (f"snapshot {name!r}: {fault}" for fault in faults))
    result.snapshots = len(snapshots)


def check_without_database(project: Project, result: Verification, report: OnProgress, why: str) -> None:
    """Check what needs no rows: each stored file against its name, each snapshot's folder against its own digest.

    Whether anything is missing cannot be said then, and neither rows nor events can be checked.
    """
    result.faults.append(f"{why} Rows and events were not checked, and what is missing cannot be seen.")
    with _going_on(result, "files"):
        for prefix in project.store.folders():
            names = project.store.folder(prefix)
            result.unfinished += [name for name in names if name.endswith(".part")]
            digests = [name.rsplit("/", 1)[-1].removesuffix(".png") for name in names if name.endswith(".png")]
            _collect(result.faults, content_faults(project.store, digests))
            result.files += len(digests)
            report(result.files, 0, "images")
    for directory in sorted((project.root / "snapshots").glob("[!.]*/")):
        faults = _snapshot_faults(project, directory.name, f"snapshots/{directory.name}", None, set(), report, True)
        _collect(result.faults, (f"snapshot {directory.name!r}: {fault}" for fault in faults))
        result.snapshots += 1
    torn = torn_anchors(project.anchors_path)
    result.faults += [f"events: {torn} lines of {project.anchors_path.name} are no anchors"] if torn else []


def verify_events(project: Project) -> Verification:
    """Check the chain of events, and what it records of rows against the rows; raises NotFound without the key."""
    result = Verification()
    _check_events(project, result)
    return result


def _check_events(project: Project, result: Verification) -> None:
    bare: Counter[str] = Counter()
    chain = project.chain
    with project.database.read() as session:
        _collect(result.faults, recorded_faults(session, chain, bare))
        result.chain = chain.verify(session, project.anchors_path)
    _collect(result.faults, (f"events: {fault}" for fault in result.chain.faults))
    result.not_covered = [f"{plural} ({count})" for plural, count in bare.items()]


def _check_store(project: Project, result: Verification, report: OnProgress, pixels: bool) -> None:
    """Check the store part by part; files are listed before rows are read, so no file's row comes later."""
    with project.database.read() as session:
        total = count_files(session)
    if total and (away := project.store.away()):
        result.faults.append(away)
    for prefixes, listed in parts_of_store(project.store, total):
        with project.database.read() as session:
            expected = expected_files(session, prefixes)
            extra = leftovers(listed, expected)
            withdrawn = withdrawn_files_left(session, extra.orphans) if extra.orphans else []
        _collect(result.faults, file_faults(project, expected, pixels))
        _collect(result.faults, (f"{name} was withdrawn and is still there: {AGAIN}" for name in withdrawn))
        _collect(result.orphans, (name for name in extra.orphans if name not in withdrawn))
        _collect(result.unfinished, extra.unfinished)
        result.files += len(expected)
        report(result.files, total, "images")


def _check_sample(project: Project, result: Verification, sample: int, seed: int, pixels: bool) -> None:
    with project.database.read() as session:
        expected = drawn_files(session, sample, seed)
    _collect(result.faults, file_faults(project, expected, pixels))
    result.files = len(expected)


def _collect(lines: list[str], more: Iterable[str]) -> None:
    """Keep the first lines and count the rest: the names of a lost store would fill the memory."""
    kept = left = 0
    for line in more:
        if kept < LISTED:
            lines.append(line)
            kept += 1
        else:
            left += 1
    if left:
        lines.append(f"... and {left} more like these")


def _snapshot_faults(
    project: Project,
    name: str,
    directory: str,
    digest: str | None,
    withdrawn_pixels: Set[str],
    report: OnProgress,
    whole: bool,
) -> Iterator[str]:
    try:
        folder = SnapshotFolder.open(project.root / directory)
        if whole:
            yield from verify_folder(folder, lambda done, total, _: report(done, total, f"snapshot {name}"))
    except (RoundsError, OSError, ValueError, KeyError, TypeError) as error:
        yield f"cannot be read: {error}"
        return
    purged = folder.tombstones.purged
    for row in (row for split in SPLITS for row in folder.rows(split)) if purged else ():
        place = f"{row.split}/{row.file_name}"
        if place in purged and row.pixel_sha256 not in withdrawn_pixels:
            yield f"withdrawn.json names {place} as withdrawn, and the database does not"
    if digest is not None and folder.digest != digest:
        yield f"the folder says digest {folder.digest}, the database {digest}"
