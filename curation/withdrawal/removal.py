"""Remove a withdrawn subject's files and leave notes beside what descends from it.

Every step finds what is left to do, so an interrupted withdrawal is finished by running it again.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from curation.lineage.descent import Descent
from curation.project import Project
from curation.provenance.seen import Seen
from curation.provenance.tombstones import Tombstones
from curation.provenance.withdrawn import digests_of_withdrawn, withdrawn_images
from curation.queries import chunks, files_among
from curation.snapshots.folder import SPLITS, SnapshotFolder, purge_captions
from curation.tables.generation import Generator
from curation.tables.images import Image, Mask
from curation.tables.training import AddedBackbone, Run, Study
from curation.tables.withdrawals import Affected, Withdrawal
from curation.vector_files import forget_vectors
from curation.withdrawal.remaining_copies import pictures_in, rows_of

SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class Removed:
    """Counts of what was removed this time, and of the files that are kept because other images use them."""

    files: int
    vectors: int
    purged: int
    kept: int

    @property
    def any(self) -> bool:
        """Tell whether anything was removed."""
        return bool(self.files or self.vectors or self.purged)

    def counts(self) -> dict[str, int]:
        """Give the counts that the event records."""
        return asdict(self)


def remove_files(
    project: Project, withdrawal: Withdrawal, descent: Descent, *, descendants: bool, purge: bool
) -> Removed:
    """Remove the files of a committed withdrawal and leave its notes."""
    with project.database.read() as session:
        image_ids = withdrawn_images().where(Affected.withdrawal_id == withdrawal.id)
        unused, kept = _unused_files(session, image_ids)
        pixels = digests_of_withdrawn(session, image_ids, Image.pixel_sha256)
        directories = _directories(session, project.root, descent)
        in_snapshots = {row.id: rows_of(session, row.id, Image.id.in_(image_ids)) for row in descent.snapshots}
    vectors = forget_vectors(project.directory("embeddings"), unused | pixels)
    date = withdrawal.created_at.date().isoformat()
    for directory in directories:
        Tombstones.read(directory).add(withdrawal.id, date, (), False).write(directory)
    purged = 0
    for snapshot in descent.snapshots:
        folder = project.root / "snapshots" / snapshot.name
        if folder.is_dir():
            purged += _bury_in_snapshot(folder, withdrawal.id, date, in_snapshots[snapshot.id], purge)
    files = sum(project.store.remove(digest) for digest in sorted(unused))
    return Removed(files, vectors, purged, kept)


def _unused_files(session: Session, image_ids: Select[int]) -> tuple[set[str], int]:
    """Find the files of the removed images and masks that no other image needs, and count those that others need."""
    files = set(session.scalars(select(Image.file_sha256).where(Image.id.in_(image_ids))))
    files |= set(session.scalars(select(Mask.file_sha256).where(Mask.image_id.in_(image_ids))))
    needed: set[str] = set()
    for chunk in chunks(sorted(files)):
        needed |= files_among(session, chunk, Image.withdrawn_at.is_(None))
    return files - needed, len(files & needed)


def _directories(session: Session, root: Path, descent: Descent) -> list[Path]:
    """List the existing directories of affected generators, backbones, runs (and the models in them) and studies."""
    directories = [session.get_one(Generator, row.id).directory for row in descent.generators]
    directories += [session.get_one(Run, row.id).directory for row in descent.runs]
    directories += [session.get_one(Study, row.id).directory for row in descent.studies]
    directories += _backbones_that_saw(session, root, descent)
    inside = [root / directory for directory in directories if directory != SHIPPED]
    inside += [directory / "model" for directory in inside]
    return [directory for directory in inside if directory.is_dir()]


def _backbones_that_saw(session: Session, root: Path, descent: Descent) -> list[str]:
    """List the directories of added backbones whose card lists the subject or one of its images."""
    pixels = set(session.scalars(select(Image.pixel_sha256).where(Image.id.in_(descent.removed))))
    backbones = session.scalars(select(AddedBackbone).order_by(AddedBackbone.id)).all()
    seen = {row.directory: Seen.by_backbone(root / row.directory, row.name) for row in backbones}
    return [
        directory
        for directory, saw in seen.items()
        if descent.subject.key in saw.subjects or not pixels.isdisjoint(saw.pixel_sha256)
    ]


def _bury_in_snapshot(folder: Path, number: int, date: str, withdrawn: set[tuple[str, str | None]], purge: bool) -> int:
    """Note which rows are withdrawn, then remove their pictures and captions when asked to; count the pictures."""
    names = list(pictures_in(SnapshotFolder.open(folder), withdrawn))
    Tombstones.read(folder).add(number, date, names, purge).write(folder)
    pictures = [folder / name for name in names if purge and (folder / name).is_file()]
    for path in pictures:
        path.unlink()
    for split in SPLITS if purge else ():
        inside = [name.removeprefix(f"{split}/") for name in names if name.startswith(f"{split}/")]
        if inside:
            purge_captions(folder, split, inside)
    return len(pictures)
