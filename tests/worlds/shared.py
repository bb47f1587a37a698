"""Worlds are folders made once a run, shared by its workers, and copied for tests that write."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.project import Project


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the read-only folder that `make` fills for the first worker that asks; the others wait for it."""
    base = factory.getbasetemp()
    worlds = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "worlds"
    worlds.mkdir(exist_ok=True)
    folder, unfinished = worlds / name, worlds / f"{name}.part"
    with (worlds / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            _allow_writing(unfinished, False)
            unfinished.rename(folder)
    return folder


def copy_world(world: Path, root: Path) -> Path:
    """Copy a world into `root`, where it may be changed."""
    shutil.copytree(world, root, dirs_exist_ok=True)
    _allow_writing(root, True)
    return root


def fill_from(project: Project, world: Path) -> None:
    """Give an empty project that nothing has used yet everything of a world."""
    project.database.dispose()
    copy_world(world, project.root)


def _allow_writing(folder: Path, allowed: bool) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            mode = path.stat().st_mode
            path.chmod(mode | 0o200 if allowed else mode & ~0o222)
