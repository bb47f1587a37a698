"""Write checksums of all files in a folder, as `sha256sum --check` reads them."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

CHECKSUMS = "SHA256SUMS"


def checksums(directory: Path) -> Iterator[str]:
    """Yield a line per file under `directory`, in order: its SHA-256, two spaces, its relative name, a line end."""
    for folder, folders, files in os.walk(directory):
        folders.sort()
        for name in sorted(files):
            path = Path(folder) / name
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            yield f"{digest}  {path.relative_to(directory).as_posix()}\n"


def digest_of_files(directory: Path) -> tuple[int, str]:
    """Count the files and compute SHA-256 over all their lines."""
    count, digest = 0, hashlib.sha256()
    for line in checksums(directory):
        digest.update(line.encode())
        count += 1
    return count, digest.hexdigest()


def write_checksums(directory: Path) -> None:
    """Write SHA256SUMS over all other files."""
    with (directory / CHECKSUMS).open("w", encoding="utf-8") as file:
        file.writelines(line for line in checksums(directory) if not line.endswith(f"  {CHECKSUMS}\n"))
