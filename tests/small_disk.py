"""A small or read-only file system: a tmpfs of some kilobytes, mounted for a test."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(path: Path, kilobytes: int) -> Iterator[Path]:
    """Mount it at `path`; skips where mounting is not allowed (it needs root)."""
    path.mkdir(parents=True, exist_ok=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(mounting, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here: a small file system cannot be made")
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted, which needs root: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def close_for_writing(path: Path) -> None:
    """Make a mounted file system read-only."""
    subprocess.run(["mount", "-o", "remount,ro", str(path)], check=True)
