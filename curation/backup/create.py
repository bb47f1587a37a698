"""Back up a project while people read: one state of the database, and every file that it points at.

The order makes it consistent: anchors first, so that none is ahead of the database; then one state of the database;
then files, which never change once a row points at them. The backups of a directory share their files: a file that is
there already is not copied again.
"""

import hashlib
import hmac
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import CompoundSelect, Select, distinct, func, select, union
from sqlalchemy.orm import Session

from curation.audit import anchor
from curation.backup.database import check_copy, copied_state
from curation.backup.pool import FORMAT, BackupDirectory, BackupEntry, Manifest, ManifestWriter, out_of_reach
from curation.errors import BadInput, Damaged, NotFound
from curation.image_store import file_name
from curation.progress import OnProgress
from curation.project import Project
from curation.settings import PROJECT_FILE
from curation.tables.generation import Generator
from curation.tables.images import BuildStatus, Image, Mask
from curation.tables.training import AddedBackbone, Run, Snapshot, Study

REPORT_EVERY = 100
ANCHORS = "anchors.jsonl"


@dataclass(slots=True)
class Backup:
    """Counts of what a backup holds; `missing` names files that the database points at and that were absent."""

    name: str
    seal: str = ""
    images: int = 0
    files: int = 0
    secrets: int = 0
    copied: int = 0
    size_bytes: int = 0
    missing: list[str] = field(default_factory=list)


def back_up(
    project: Project, directory: Path, now: datetime, report: OnProgress, *, with_secrets: bool = False
) -> Backup:
    """Make a backup in `directory`, read back what was copied, and record an event in the chain.

    Files that are missing or altered in the project are listed in the result; the rest is backed up.
    Raises Unavailable when the disk is full; a backup that is not whole has no manifest.
    """
    if directory.resolve().is_relative_to(project.root.resolve()):  # it would be lost with the project
        raise BadInput(f"{directory} is inside the project. Choose a directory on another disk.")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        backup = _write(project, BackupDirectory(directory), now, report, with_secrets)
    except OSError as error:
        raise out_of_reach(directory, error) from error
    with project.database.write() as session:
        project.chain.record(session, "project.backed_up", {"seal": backup.seal, "images": backup.images}, now)
    return backup


def verify_backup(directory: Path, name: str | None, report: OnProgress) -> tuple[Manifest, list[str]]:
    """Read back every file of a backup and check its digest; return the manifest and what is wrong."""
    pool = BackupDirectory(directory)
    manifest = pool.manifest(name)
    faults: list[str] = []
    for done, entry in enumerate(manifest.entries(), 1):
        fault = pool.fault(entry)
        if fault is None and entry.kind == "database":
            fault = _database_fault(manifest, pool.object(entry.sha256))
        faults += [fault] if fault else []
        if done % REPORT_EVERY == 0:
            report(done, manifest.end["entries"], "reading back")
    faults += [f"{name}: it was missing when the backup was made" for name in manifest.end["missing"]]
    return manifest, faults


def _database_fault(manifest: Manifest, path: Path) -> str | None:
    try:
        check_copy(manifest.header["database"], path)
    except Damaged as error:
        return str(error)
    return None


def _write(project: Project, pool: BackupDirectory, now: datetime, report: OnProgress, with_secrets: bool) -> Backup:
    with project.database.read() as session:
        anchor(session, project.anchors_path)
    anchors = project.anchors_path.read_bytes()
    kind = project.database.engine.dialect.name
    header = {
        "name": project.settings.name,
        "made_at": now.isoformat(),
        "database": kind,
        "schema": project.database.revision(),
        "secrets": with_secrets,
        "key": fingerprint(project.chain.key),
    }
    with tempfile.TemporaryDirectory(prefix=".copy-", dir=pool.directory) as scratch:
        copy = Path(scratch) / "database"
        with copied_state(project.database, copy) as session:
            check_copy(kind, copy)
            writer = ManifestWriter(pool, f"{now:%Y-%m-%dT%H%M%SZ}", header)
            keep = BackupWriter(pool, writer)
            try:
                keep.file("database", "database", copy)
                keep.content("file", ANCHORS, anchors)
                _keep_files(project, keep, session, with_secrets)
                _keep_images(project, keep, session, report)
                return keep.seal()
            except BaseException:
                writer.drop()
                raise


def fingerprint(key: bytes) -> str:
    """Compute a value that identifies an audit key without revealing it."""
    return hmac.new(key, FORMAT.encode(), hashlib.sha256).hexdigest()


def _keep_files(project: Project, keep: "BackupWriter", session: Session, with_secrets: bool) -> None:
    keep.file("file", PROJECT_FILE, project.root / PROJECT_FILE)
    if with_secrets:
        for path in sorted((project.root / project.settings.secrets_directory).iterdir()):
            keep.file("secret", path.name, path)
    for directory in _finished_folders(session):
        keep.folder(project.root, directory)


def _keep_images(project: Project, keep: "BackupWriter", session: Session, report: OnProgress) -> None:
    total = session.scalar(select(func.count(distinct(Image.file_sha256))).where(Image.withdrawn_at.is_(None))) or 0
    for done, digest in enumerate(referenced_files(session)):
        if done % REPORT_EVERY == 0:
            report(done, total, "images")
        keep.image(project, digest)
    report(total, total, "images")


class BackupWriter:
    """Store files one by one, read back those that are new, and count."""

    def __init__(self, directory: BackupDirectory, writer: ManifestWriter) -> None:
        self._directory, self._writer = directory, writer
        self._backup = Backup(name=writer.name)

    def seal(self) -> Backup:
        """Seal the manifest and give it its name: from here on the backup counts."""
        backup = self._backup
        backup.seal = self._writer.seal({"missing": backup.missing, "images": backup.images, "files": backup.files})
        return backup

    def file(self, kind: str, name: str, path: Path) -> None:
        """Store a file of the project."""
        try:
            entry, new = self._directory.keep_file(path)
        except FileNotFoundError:
            self._backup.missing.append(name)
            return
        self._add(BackupEntry(kind, name, entry.sha256, entry.size), new)

    def content(self, kind: str, name: str, content: bytes) -> None:
        """Store bytes that were read before."""
        digest, new = self._directory.keep_bytes(content)
        self._add(BackupEntry(kind, name, digest, len(content)), new)

    def folder(self, root: Path, directory: str) -> None:
        """Store every file under a folder of the project except unfinished ones."""
        paths = [path for path in sorted((root / directory).rglob("*")) if path.is_file() and not path.is_symlink()]
        if not paths:
            self._backup.missing.append(directory)
        for path in paths:
            if path.suffix != ".part":
                self.file("file", path.relative_to(root).as_posix(), path)

    def image(self, project: Project, digest: str) -> None:
        """Store an image; it is not read again when the backup directory holds it."""
        size = self._directory.size_of(digest)
        if size is not None:
            self._add(BackupEntry("image", file_name(digest), digest, size), 0)
            return
        try:
            content = project.store.content(digest)
        except NotFound:
            self._backup.missing.append(file_name(digest))
            return
        kept, new = self._directory.keep_bytes(content)
        if kept != digest:
            self._backup.missing.append(f"{file_name(digest)} (its bytes were changed)")
            return
        self._add(BackupEntry("image", file_name(digest), digest, len(content)), new)

    def _add(self, entry: BackupEntry, new: int) -> None:
        if new and (fault := self._directory.fault(entry)):
            raise Damaged(f"{fault}, although it was written just now. Check the disk of the backup.")
        self._writer.add(entry)
        self._backup.copied += new
        self._backup.size_bytes += entry.size
        self._backup.images += entry.kind == "image"
        self._backup.files += entry.kind == "file"
        self._backup.secrets += entry.kind == "secret"


def referenced_files(session: Session) -> Iterator[str]:
    """Yield the digests of the stored files that rows point at, each once, in order; not of withdrawn images."""
    images: Select[Any] = select(Image.file_sha256.label("digest")).where(Image.withdrawn_at.is_(None))
    masks: Select[Any] = select(Mask.file_sha256).join(Image).where(Image.withdrawn_at.is_(None))
    both: CompoundSelect[Any] = union(images, masks).order_by("digest")
    yield from session.scalars(both.execution_options(yield_per=10_000))


def _finished_folders(session: Session) -> list[str]:
    """List the folders of finished snapshots, generators, backbones, runs and studies."""
    directories = set(session.scalars(select(Generator.directory).where(Generator.directory != "shipped")))
    directories |= set(session.scalars(select(AddedBackbone.directory)))
    for table in (Snapshot, Run, Study):
        directories |= set(session.scalars(select(table.directory).where(table.status == BuildStatus.READY)))
    return sorted(directories)
