"""Where pictures of a subject still are: snapshot folders, what was drawn while a generator was fitted, copies outside.

A snapshot's pictures are hard links to the store: removing the stored file leaves them readable there. Copies outside
are those that the chain of events knows of; where they lie it does not know.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from curation.lineage.descent import Descent
from curation.lineage.relations import was_fitted_on
from curation.snapshots.folder import SPLITS, SnapshotFolder
from curation.tables.generation import Generator
from curation.tables.images import Image, Subject
from curation.tables.operations import Event
from curation.tables.training import Snapshot, SnapshotItem
from curation.tables.withdrawals import Affected, AffectedKind, Withdrawal

NOT_RECORDED = (
    "copies by `rounds snapshot export`, reports and pictures written with --out, sources that were imported (also "
    "under downloads/), and files that somebody took"
)


@dataclass(frozen=True, slots=True)
class InFolder:
    """A snapshot folder with pictures of the subject that are still there."""

    snapshot: str
    path: str
    pictures: int


@dataclass(frozen=True, slots=True)
class Exported:
    """An export of a snapshot that holds or descends from the subject: how many real and synthetic images left."""

    snapshot: str
    format: str
    at: datetime
    real: int
    synthetic: int


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup that was made while pictures of the subject were here; `name` is that of its manifest."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Copies:
    """Where the pictures still are; `grids` are folders with pictures drawn while a generator was fitted."""

    folders: list[InFolder]
    grids: list[str]
    exports: list[Exported]
    backups: list[BackedUp]


def copies_of(session: Session, root: Path, descent: Descent) -> Copies:
    """Look into the folders of the project at `root`, and through the chain of events."""
    folders = list(_in_folders(session, root, descent))
    return Copies(
        folders,
        list(_grids(session, root, descent)),
        list(_exports(session, descent)),
        list(_backups(session, descent, bool(folders))),
    )


def _in_folders(session: Session, root: Path, descent: Descent) -> Iterator[InFolder]:
    mine = select(Withdrawal.id).where(Withdrawal.subject_id == descent.subject.id)
    buried = select(Affected.target_id).where(Affected.kind == AffectedKind.IMAGE, Affected.withdrawal_id.in_(mine))
    shown = or_(Image.id.in_(descent.removed), Image.id.in_(buried))
    for found in descent.snapshots:
        directory = session.get_one(Snapshot, found.id).directory
        if (root / directory).is_dir():
            names = pictures_in(SnapshotFolder.open(root / directory), rows_of(session, found.id, shown))
            there = sum((root / directory / name).is_file() for name in names)
            if there:
                yield InFolder(found.name, directory, there)


def rows_of(session: Session, snapshot_id: int, images: ColumnElement[bool]) -> set[tuple[str, str | None]]:
    """Pixel digest and subject of such images in a snapshot."""
    query = (
        select(Image.pixel_sha256, Subject.key)
        .join(SnapshotItem, SnapshotItem.image_id == Image.id)
        .outerjoin(Subject, Subject.id == Image.subject_id)
        .where(SnapshotItem.snapshot_id == snapshot_id, images)
    )
    return {(digest, key) for digest, key in session.execute(query)}


def pictures_in(folder: SnapshotFolder, rows: set[tuple[str, str | None]]) -> Iterator[str]:
    """The names (`train/abc.png`) under which such rows lie in a snapshot folder, each once."""
    last = None
    for split in SPLITS if rows else ():
        for row in folder.iter_rows(split):
            name = f"{split}/{row.file_name}"
            if (row.pixel_sha256, row.subject) in rows and name != last:
                yield name
                last = name


def _grids(session: Session, root: Path, descent: Descent) -> Iterator[str]:
    """Grids show validation images and their reconstructions, of the snapshot that the generator was fitted on."""
    snapshots = [session.get_one(Snapshot, one.id) for one in descent.snapshots]
    for generator in session.scalars(select(Generator).order_by(Generator.id)):
        directory = f"{generator.directory}/grids"
        fitted = any(was_fitted_on(generator, snapshot) for snapshot in snapshots)
        if fitted and any((root / directory).glob("*.png")):
            yield directory


def _exports(session: Session, descent: Descent) -> Iterator[Exported]:
    names = {one.id: one.name for one in descent.snapshots}
    for event in _events(session, "export"):
        said = event.payload
        if said["snapshot"] in names:
            yield Exported(names[said["snapshot"]], said["format"], event.at, said["real"], said["synthetic"])


def _backups(session: Session, descent: Descent, still_here: bool) -> Iterator[BackedUp]:
    """Those after the first image came, up to the moment at which the last picture went."""
    came = session.scalars(select(Image.created_at).where(Image.id.in_(descent.images)).order_by(Image.created_at))
    first, went = came.first(), None if still_here else _went(session, descent)
    for event in _events(session, "project.backed_up"):
        if first is not None and first <= event.at and (went is None or event.at <= went):
            yield BackedUp(f"{event.at:%Y-%m-%dT%H%M%SZ}", event.at)


def _went(session: Session, descent: Descent) -> datetime | None:
    """When the last of its pictures was removed, as far as they were; None before a withdrawal."""
    query = select(Withdrawal).where(Withdrawal.subject_id == descent.subject.id)
    withdrawal = session.scalars(query).one_or_none()
    if withdrawal is None:
        return None
    removed = [
        one.at for one in _events(session, "withdrawal.files_removed") if one.payload["withdrawal"] == withdrawal.id
    ]
    return max([withdrawal.created_at, *removed])


def _events(session: Session, kind: str) -> list[Event]:
    return list(session.scalars(select(Event).where(Event.kind == kind).order_by(Event.sequence)))
