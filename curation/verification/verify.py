"""Hold a project against itself: stored files, rows, folders, snapshots and the chain of events.

Files of withdrawn images are expected to be absent, and one that is still there is a fault.

It repairs nothing. A missing or altered file, snapshot or event is a fault, and so are rows that contradict each other.
An orphan file (stored, but no row points at it), an unfinished `.part` file and a parent still `building` are what work
under way or broken off leaves behind: listed, harmless.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field

from sqlalchemy import select

from curation.audit import ChainReport
from curation.errors import RoundsError
from curation.progress import OnProgress
from curation.project import Project
from curation.snapshots.folder import SPLITS, SnapshotFolder
from curation.tables.images import BuildStatus, Image
from curation.tables.training import Snapshot
from curation.verification.folders import folder_faults, torn_embeddings, unfinished_work
from curation.verification.measured import measured_faults, not_covered
from curation.verification.outcomes import frozen_reading_faults, outcome_faults
from curation.verification.rows import row_faults
from curation.verification.snapshot_folders import verify_folder
from curation.verification.stored_files import (
    PREFIXES,
    count_files,
    drawn_files,
    expected_files,
    file_faults,
    leftovers,
    withdrawn_but_there,
)

AGAIN = "`rounds withdraw SUBJECT --yes` again removes it"
LISTED = 1_000  # of each kind; the rest is counted


@dataclass(slots=True)
class Verification:
    """What was checked and what was found; `faults` is empty when everything is as it was stored.

    `sampled` says that only so many files were read; `not_covered` counts rows whose events keep no digest of what they
    say. Of each list the first thousand are kept, the last line counts the rest.
    """

    files: int = 0
    snapshots: int = 0
    chain: ChainReport = field(default_factory=lambda: ChainReport(0, 0, []))
    faults: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    building: list[str] = field(default_factory=list)
    not_covered: list[str] = field(default_factory=list)
    sampled: bool = False


def verify_project(
    project: Project, report: OnProgress, *, pixels: bool = False, sample: int | None = None, seed: int = 0
) -> Verification:
    """Check every stored file, row, folder, snapshot and event.

    With `pixels`, decode each image and check its values too. With `sample`, read that many files only, drawn by
    `seed`, and of snapshots the digest only: minutes become seconds, and what was not drawn is not known.
    """
    found = Verification(sampled=sample is not None)
    if sample is None:
        _check_store(project, found, report, pixels)
    else:
        _check_sample(project, found, sample, seed, pixels)
    report(0, 0, "rows")
    with project.database.read() as session:
        for check in (row_faults, outcome_faults, frozen_reading_faults, measured_faults):
            _collect(found.faults, check(session))
        _collect(found.faults, folder_faults(project, session))
        found.building = unfinished_work(session)
        found.not_covered = not_covered(session)
        found.chain = project.chain.verify(session, project.anchors_path)
        buried = set(session.scalars(select(Image.pixel_sha256).where(Image.withdrawn_at.is_not(None))))
        snapshots = session.execute(
            select(Snapshot.name, Snapshot.directory, Snapshot.digest).where(Snapshot.status == BuildStatus.READY)
        ).all()
    _collect(found.unfinished, torn_embeddings(project))
    for name, directory, digest in snapshots:
        faults = _snapshot_faults(project, name, directory, digest, buried, report, whole=sample is None)
        _collect(found.faults, (f"snapshot {name!r}: {fault}" for fault in faults))
    found.snapshots = len(snapshots)
    _collect(found.faults, (f"events: {fault}" for fault in found.chain.faults))
    return found


def _check_store(project: Project, found: Verification, report: OnProgress, pixels: bool) -> None:
    """Folder by folder; what was listed before the rows were read cannot be a file whose row came later."""
    with project.database.read() as session:
        total = count_files(session)
    folders = project.store.folders()
    for prefix in sorted({*PREFIXES, *folders}):
        listed = project.store.folder(prefix) if prefix in folders else []
        with project.database.read() as session:
            expected = expected_files(session, prefix) if prefix in PREFIXES else {}
            left = leftovers(listed, expected)
            back = withdrawn_but_there(session, left.orphans) if left.orphans else []
        _collect(found.faults, file_faults(project, expected, pixels))
        _collect(found.faults, (f"{name} was withdrawn and is still there: {AGAIN}" for name in back))
        _collect(found.orphans, (name for name in left.orphans if name not in back))
        _collect(found.unfinished, left.unfinished)
        found.files += len(expected)
        report(found.files, total, "images")


def _check_sample(project: Project, found: Verification, sample: int, seed: int, pixels: bool) -> None:
    with project.database.read() as session:
        expected = drawn_files(session, sample, seed)
    _collect(found.faults, file_faults(project, expected, pixels))
    found.files = len(expected)


def _collect(lines: list[str], more: Iterable[str]) -> None:
    """Keep the first of them and count the rest: a store that was lost would else fill the memory with its names."""
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
    project: Project, name: str, directory: str, digest: str | None, buried: Set[str], report: OnProgress, whole: bool
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
        if place in purged and row.pixel_sha256 not in buried:
            yield f"{place} is said to be withdrawn, and the database does not say so"
    if folder.digest != digest:
        yield f"the folder says digest {folder.digest}, the database {digest}"
