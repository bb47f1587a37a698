"""A backup directory: files kept once under their digest, and one manifest for each backup.

    objects/ab/ab12...      a file of the project, named by the SHA-256 of its bytes; shared by every backup here
    2026-11-25T225353Z.jsonl   a manifest: a header, one line per file, a last line that seals the lines before it

A manifest is written last, under a temporary name, and renamed: a backup that has one is whole.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from curation.digests import is_sha256
from curation.errors import BadInput, Conflict, Damaged, NotFound, Unavailable
from curation.files import partial_path, write_through
from curation.store_errors import FULL, REFUSED, remedy

FORMAT = "rounds-backup/1"
SUFFIX = ".jsonl"
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class BackupEntry:
    """One file of a backup: `image` in the store, `database`, `secret`, or `file` at `path` in the project."""

    kind: str
    path: str
    sha256: str
    size: int


class BackupDirectory:
    """A directory that holds the files and manifests of backups."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        manifests = [path.stat().st_mtime for path in directory.glob(f"[!.]*{SUFFIX}")]
        self._sealed_at = max(manifests, default=0.0)

    def object(self, digest: str) -> Path:
        """Give the path of the file with this digest."""
        return self.directory / "objects" / digest[:2] / digest

    def size_of(self, digest: str) -> int | None:
        """Give the length of the file with this digest; None when it is not there yet.

        Nobody waited for the disk since the newest manifest: a power cut may have torn a younger file, so it is read.
        """
        try:
            status = self.object(digest).stat()
        except FileNotFoundError:
            return None
        if status.st_mtime >= self._sealed_at and self.fault(BackupEntry("file", digest, digest, status.st_size)):
            return None
        return status.st_size

    def keep_bytes(self, content: bytes) -> tuple[str, int]:
        """Store bytes; return their SHA-256 and whether they are new here (1) or not (0)."""
        digest = hashlib.sha256(content).hexdigest()
        if self.size_of(digest) is not None:
            return digest, 0
        with self._partial() as partial:
            partial.write_bytes(content)
            self._settle_under(partial, digest)
        return digest, 1

    def keep_file(self, path: Path) -> tuple[BackupEntry, int]:
        """Copy a file of any size in constant memory; the entry's kind and path are `file` and its name."""
        with self._partial() as partial:
            with path.open("rb") as source, partial.open("wb") as target:
                digest, size = _copy(source, target)
            new = int(self.size_of(digest) is None)
            if new:
                self._settle_under(partial, digest)
        return BackupEntry("file", path.name, digest, size), new

    @contextmanager
    def _partial(self) -> Iterator[Path]:
        """Yield a path for a file whose digest is not known yet; what still lies there afterwards is removed."""
        folder = self.directory / "objects"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = partial_path(folder / "object")
        try:
            yield partial
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def _settle_under(self, partial: Path, digest: str) -> None:
        target = self.object(digest)
        target.parent.mkdir(exist_ok=True)
        partial.chmod(0o600)
        partial.replace(target)

    def fault(self, entry: BackupEntry) -> str | None:
        """Read back the file of an entry and tell what is wrong with it; None when nothing is."""
        digest = hashlib.sha256()
        try:
            with self.object(entry.sha256).open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
        except FileNotFoundError:
            return f"{entry.kind} {entry.path} is missing from the backup"
        except OSError as error:
            return f"{entry.kind} {entry.path} cannot be read back: {error}"
        return None if digest.hexdigest() == entry.sha256 else f"{entry.kind} {entry.path}: its bytes were changed"

    def names(self) -> list[str]:
        """Name the backups here, oldest first."""
        return sorted(path.name.removesuffix(SUFFIX) for path in self.directory.glob(f"[!.]*{SUFFIX}"))

    def manifest(self, name: str | None = None) -> "Manifest":
        """Open the backup called `name`, else the newest; raises NotFound, or Damaged when its seal is broken."""
        names = self.names()
        if not names or (name is not None and name not in names):
            known = ", ".join(names) or "none"
            raise NotFound(f"{self.directory}: expected a backup {name or ''} made by `rounds backup`; there: {known}.")
        return Manifest(self.directory / f"{name or names[-1]}{SUFFIX}")


class ManifestWriter:
    """Write a manifest line by line; `seal` gives it its name."""

    def __init__(self, directory: BackupDirectory, name: str, header: dict[str, Any]) -> None:
        self.name = name
        self._target = directory.directory / f"{name}{SUFFIX}"
        if self._target.exists():
            raise Conflict(f"{self._target} exists already. Wait a second, then run this again.")
        self._partial = partial_path(self._target)
        self._digest = hashlib.sha256()
        self._file = self._partial.open("wb")
        self.entries = 0
        self._line({"format": FORMAT, **header})

    def add(self, entry: BackupEntry) -> None:
        """Add the line of a file."""
        self._line(asdict(entry))
        self.entries += 1

    def seal(self, facts: dict[str, Any]) -> str:
        """Write the last line with `facts`, wait for the disk, give the file its name; return the seal."""
        self._line({"end": {"entries": self.entries, **facts}})
        seal = self._digest.hexdigest()
        self._file.write(json.dumps({"seal": seal}).encode() + b"\n")
        self._file.close()
        write_through(self._partial.parent)
        self._partial.replace(self._target)
        write_through(self._target.parent)
        return seal

    def drop(self) -> None:
        """Remove a manifest that was not sealed."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def _line(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, sort_keys=True).encode() + b"\n"
        self._digest.update(line)
        self._file.write(line)


class Manifest:
    """One backup: `header`, `end` and its entries, read line by line; raises Damaged when a line is not as written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name.removesuffix(SUFFIX)
        self.header, self.end, self.seal = _read_sealed(path)

    def entries(self) -> Iterator[BackupEntry]:
        """Yield every file of the backup."""
        with self.path.open("rb") as lines:
            next(lines)
            for line in lines:
                record = json.loads(line)
                if "kind" not in record:
                    return
                if not is_sha256(record.get("sha256")):
                    raise Damaged(f"{self.path} names {record.get('path')!r} by no SHA-256. Take another backup.")
                yield BackupEntry(**record)


def _read_sealed(path: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    digest, before, last = hashlib.sha256(), b"", b""
    first: bytes | None = None
    with path.open("rb") as lines:
        for line in lines:
            first = line if first is None else first
            digest.update(last)
            before, last = last, line
    try:
        header, end, seal = json.loads(first or b""), json.loads(before)["end"], str(json.loads(last)["seal"])
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path} is not a whole manifest. Take another backup.") from error
    if seal != digest.hexdigest():
        raise Damaged(f"{path} was altered: its lines no longer give its seal. Take another backup.")
    if header.get("format") != FORMAT:
        raise BadInput(f"{path}: expected format {FORMAT!r}, got {header.get('format')!r}.")
    return header, end, seal


def out_of_reach(path: Path, error: OSError) -> Unavailable:
    """Turn the error of a full, closed or missing disk into one that tells what to do."""
    advice = remedy(error) if error.errno in (*FULL, *REFUSED) else "Choose another directory, or check the disk."
    return Unavailable(f"{path} cannot be written to: {error.strerror}. {advice}")


def _copy(source: BinaryIO, target: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while block := source.read(BLOCK):
        digest.update(block)
        target.write(block)
        size += len(block)
    return digest.hexdigest(), size
