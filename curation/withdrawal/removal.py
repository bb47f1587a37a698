"""The files of a withdrawal: pictures, masks and vectors go, notes are left beside what descends from them.

Every step finds by itself what is left to do, so a withdrawal that was interrupted is finished by running it again.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from curation.lineage.descent import Descent
from curation.project import Project
from curation.provenance.tombstones import Tombstones
from curation.snapshots.folder import SnapshotFolder
from curation.tables.generation import Generator
from curation.tables.images import Image, Mask
from curation.tables.training import Run, Study
from curation.tables.withdrawals import Affected, AffectedKind, Withdrawal
from curation.vector_files import forget_vectors
from curation.withdrawal.remaining_copies import pictures_in, rows_of

CHUNK = 500
SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed this time: stored files, vectors, pictures in snapshots; and files that others still use."""

    files: int
    vectors: int
    purged: int
    kept: int

    @property
    def any(self) -> bool:
        """Whether anything was there to be removed."""
        return bool(self.files or self.vectors or self.purged)

    def counts(self) -> dict[str, int]:
        """For the event."""
        return asdict(self)


def remove_files(
    project: Project, withdrawal: Withdrawal, descent: Descent, *, descendants: bool, purge: bool
) -> Removed:
    """Remove what a committed withdrawal made useless, and leave its notes."""
    with project.database.read() as session:
        mine = select(Affected.target_id).where(
            Affected.withdrawal_id == withdrawal.id, Affected.kind == AffectedKind.IMAGE
        )
        unused, kept = _unused(session, mine)
        places = _places(session, project.root, descent)
        in_snapshots = {one.id: rows_of(session, one.id, Image.id.in_(mine)) for one in descent.snapshots}
    vectors = forget_vectors(project.directory("embeddings"), unused)
    date = withdrawal.created_at.date().isoformat()
    for directory in places:
        Tombstones.read(directory).add(withdrawal.id, date, (), False).write(directory)
    purged = 0
    for found in descent.snapshots:
        folder = project.root / "snapshots" / found.name
        if folder.is_dir():
            purged += _bury_in_snapshot(folder, withdrawal.id, date, in_snapshots[found.id], purge)
    files = sum(project.store.remove(digest) for digest in sorted(unused))
    return Removed(files, vectors, purged, kept)


def _unused(session: Session, mine: Select[int]) -> tuple[set[str], int]:
    """Files of the removed images and their masks that no other image needs, and how many others do need."""
    files = set(session.scalars(select(Image.file_sha256).where(Image.id.in_(mine))))
    files |= set(session.scalars(select(Mask.file_sha256).where(Mask.image_id.in_(mine))))
    needed: set[str] = set()
    ordered = sorted(files)
    stays = Image.withdrawn_at.is_(None)
    for start in range(0, len(ordered), CHUNK):
        chunk = ordered[start : start + CHUNK]
        needed |= set(session.scalars(select(Image.file_sha256).where(Image.file_sha256.in_(chunk), stays)))
        masks = select(Mask.file_sha256).join(Image, Image.id == Mask.image_id)
        needed |= set(session.scalars(masks.where(Mask.file_sha256.in_(chunk), stays)))
    return files - needed, len(files & needed)


def _places(session: Session, root: Path, descent: Descent) -> list[Path]:
    """The directories of affected generators, runs (and the models in them) and studies, as far as they are here."""
    directories = [session.get_one(Generator, one.id).directory for one in descent.generators]
    directories += [session.get_one(Run, one.id).directory for one in descent.runs]
    directories += [session.get_one(Study, one.id).directory for one in descent.studies]
    inside = [root / directory for directory in directories if directory != SHIPPED]
    inside += [directory / "model" for directory in inside]
    return [directory for directory in inside if directory.is_dir()]


def _bury_in_snapshot(folder: Path, number: int, date: str, withdrawn: set[tuple[str, str | None]], purge: bool) -> int:
    """Note which rows are withdrawn, then remove their pictures when asked to; returns how many were there."""
    names = list(pictures_in(SnapshotFolder.open(folder), withdrawn))
    Tombstones.read(folder).add(number, date, names, purge).write(folder)
    there = [folder / name for name in names if purge and (folder / name).is_file()]
    for path in there:
        path.unlink()
    return len(there)
