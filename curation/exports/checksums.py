"""Checksums of everything in a folder, as `sha256sum --check` reads them."""

import hashlib
from pathlib import Path

CHECKSUMS = "SHA256SUMS"


def checksums(directory: Path) -> dict[str, str]:
    """SHA-256 of every file under `directory` by its relative name, in order."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                found[path.relative_to(directory).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def write_checksums(directory: Path) -> None:
    """Write SHA256SUMS over everything that is there."""
    lines = [f"{digest}  {name}\n" for name, digest in checksums(directory).items()]
    (directory / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
