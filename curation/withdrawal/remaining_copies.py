"""Find where pictures of a subject still are: snapshot folders, grids, copies outside.

A snapshot's pictures are hard links to the store: removing the stored file leaves them readable there. The chain of
events knows which copies were made outside, not where they lie.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from curation.lineage.descent import Descent
from curation.lineage.relations import was_fitted_on
from curation.provenance.withdrawn import withdrawn_images
from curation.snapshots.folder import SPLITS, SnapshotFolder
from curation.tables.generation import Generator
from curation.tables.images import Image, Subject
from curation.tables.operations import Event
from curation.tables.training import Snapshot, SnapshotItem
from curation.tables.withdrawals import Affected, Withdrawal

NOT_RECORDED = (
    "copies by `rounds snapshot export`, reports and pictures written with --out, sources that were imported (also "
    "under downloads/), and files that somebody took"
)


@dataclass(frozen=True, slots=True)
class InFolder:
    """A snapshot folder that still holds pictures of the subject."""

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
    """A backup made while the project held pictures of the subject; `name` is that of its manifest."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Copies:
    """The places where pictures still are; `grids` are folders with pictures drawn while a generator was fitted."""

    folders: list[InFolder]
    grids: list[str]
    exports: list[Exported]
    backups: list[BackedUp]


def copies_of(session: Session, root: Path, descent: Descent) -> Copies:
    """Search the folders of the project at `root` and its chain of events."""
    folders, grids = list(_in_folders(session, root, descent)), list(_grids(session, root, descent))
    return Copies(folders, grids, list(_exports(session, descent)), list(_backups(session, descent, bool(folders))))


def _in_folders(session: Session, root: Path, descent: Descent) -> Iterator[InFolder]:
    own_withdrawals = select(Withdrawal.id).where(Withdrawal.subject_id == descent.subject.id)
    withdrawn = withdrawn_images().where(Affected.withdrawal_id.in_(own_withdrawals))
    shown = or_(Image.id.in_(descent.removed), Image.id.in_(withdrawn))
    for snapshot in descent.snapshots:
        directory = session.get_one(Snapshot, snapshot.id).directory
        if (root / directory).is_dir():
            names = pictures_in(SnapshotFolder.open(root / directory), rows_of(session, snapshot.id, shown))
            pictures = sum((root / directory / name).is_file() for name in names)
            if pictures:
                yield InFolder(snapshot.name, directory, pictures)


def rows_of(session: Session, snapshot_id: int, images: ColumnElement[bool]) -> set[tuple[str, str | None]]:
    """Find the pixel digest and subject of such images in a snapshot."""
    query = (
        select(Image.pixel_sha256, Subject.key)
        .join(SnapshotItem, SnapshotItem.image_id == Image.id)
        .outerjoin(Subject, Subject.id == Image.subject_id)
        .where(SnapshotItem.snapshot_id == snapshot_id, images)
    )
    return {(digest, key) for digest, key in session.execute(query)}


def pictures_in(folder: SnapshotFolder, rows: set[tuple[str, str | None]]) -> Iterator[str]:
    """Yield the file names (`train/abc.png`) of such rows in a snapshot folder, each once."""
    last = None
    for split in SPLITS if rows else ():
        for row in folder.iter_rows(split):
            name = f"{split}/{row.file_name}"
            if (row.pixel_sha256, row.subject) in rows and name != last:
                yield name
                last = name


def _grids(session: Session, root: Path, descent: Descent) -> Iterator[str]:
    """Find the grids of fits on an affected snapshot: they show its validation images and reconstructions."""
    snapshots = [session.get_one(Snapshot, row.id) for row in descent.snapshots]
    for generator in session.scalars(select(Generator).order_by(Generator.id)):
        directory = f"{generator.directory}/grids"
        fitted = any(was_fitted_on(generator, snapshot) for snapshot in snapshots)
        if fitted and any((root / directory).glob("*.png")):
            yield directory


def _exports(session: Session, descent: Descent) -> Iterator[Exported]:
    names = {snapshot.id: snapshot.name for snapshot in descent.snapshots}
    for event in _events(session, "export"):
        export = event.payload
        if name := names.get(export["snapshot"]):
            yield Exported(name, export["format"], event.at, export["real"], export["synthetic"])


def _backups(session: Session, descent: Descent, has_pictures: bool) -> Iterator[BackedUp]:
    """Find the backups made between the first image's import and the last picture's removal."""
    imported = select(Image.created_at).where(Image.id.in_(descent.images)).order_by(Image.created_at)
    first = session.scalars(imported).first()
    last = None if has_pictures else _last_removal(session, descent)
    for event in _events(session, "project.backed_up"):
        if first is not None and first <= event.at and (last is None or event.at <= last):
            yield BackedUp(f"{event.at:%Y-%m-%dT%H%M%SZ}", event.at)


def _last_removal(session: Session, descent: Descent) -> datetime | None:
    """Find when the last of its pictures was removed; None before a withdrawal."""
    query = select(Withdrawal).where(Withdrawal.subject_id == descent.subject.id)
    withdrawal = session.scalars(query).one_or_none()
    if withdrawal is None:
        return None
    removals = _events(session, "withdrawal.files_removed")
    removed = [event.at for event in removals if event.payload["withdrawal"] == withdrawal.id]
    return max([withdrawal.created_at, *removed])


def _events(session: Session, kind: str) -> list[Event]:
    return list(session.scalars(select(Event).where(Event.kind == kind).order_by(Event.sequence)))
