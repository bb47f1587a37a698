"""Compute the digest of a folder of weights, by which a generator is known."""

import hashlib
from pathlib import Path

from curation.errors import NotFound


def weights_digest(directory: Path) -> str:
    """Compute SHA-256 over every safetensors file under `directory`, by relative name: it changes with any weight."""
    digest = hashlib.sha256()
    files = sorted(directory.rglob("*.safetensors"))
    if not files:
        raise NotFound(f"no safetensors under {directory}: expected a generator in diffusers layout.")
    for path in files:
        digest.update(f"{path.relative_to(directory).as_posix()}:{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
