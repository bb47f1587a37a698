"""Locks that end with their process: one import at a time, one maker of a snapshot, fit, run or study."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import func, select

from curation.errors import Busy
from curation.project import Project

_ADVISORY_KEY = 0x726F756E6473  # "rounds"
_BUSY = (
    "another import is running in this project, or a withdrawal or a search for near copies, which no import may "
    "cross. Wait for it to finish, then run this again: an import adds what is new."
)


@contextmanager
def file_lock(path: Path, busy: str) -> Iterator[None]:
    """Hold the lock file at `path` for this process; raises Busy(`busy`) when another holds it."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(busy) from error
        yield


@contextmanager
def being_made(project: Project, kind: str, name: str) -> Iterator[None]:
    """Hold the lock of what is being made (`run`, `study`, `generator`); raises Conflict when another process does.

    It ends with the process, however that ends, so whoever sees an unfinished thing knows whether it is under way.
    """
    busy = (
        f"another process is at {kind} {name!r} at this moment. Wait for it, or stop it; then this command continues "
        "where it was."
    )
    path = _lock_path(project, kind, name)
    path.parent.mkdir(exist_ok=True)
    with file_lock(path, busy):
        yield


def is_being_made(project: Project, kind: str, name: str) -> bool:
    """Tell whether a process is making it now."""
    path = _lock_path(project, kind, name)
    if not path.exists():
        return False
    with path.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lock_path(project: Project, kind: str, name: str) -> Path:
    return project.root / "locks" / f"{kind}-{quote(name, safe='')}.lock"


@contextmanager
def drawing_images(project: Project) -> Iterator[None]:
    """Hold a lock that others who draw share; waits while a batch is removed."""
    with _drawing_path(project).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def nobody_draws(project: Project) -> Iterator[None]:
    """Hold the lock that keeps images from being drawn; raises Busy while somebody draws.

    Two batches may hold one picture: it is stored once, so whoever draws it counts on its file.
    """
    busy = "images are being drawn at this moment, perhaps the same ones. Wait for it, or stop it, then do this again."
    with file_lock(_drawing_path(project), busy):
        yield


def _drawing_path(project: Project) -> Path:
    path = project.root / "locks" / "drawing.lock"
    path.parent.mkdir(exist_ok=True)
    return path


@contextmanager
def one_import_at_a_time(project: Project) -> Iterator[None]:
    """Hold the project's import lock; raises Busy when another process holds it.

    What an import may add depends on what the one before it added. On PostgreSQL the lock is the server's (an advisory
    one), so it holds across machines.
    """
    engine = project.database.engine
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if not connection.scalar(select(func.pg_try_advisory_lock(_ADVISORY_KEY))):
                raise Busy(_BUSY)
            try:
                yield
            finally:
                connection.scalar(select(func.pg_advisory_unlock(_ADVISORY_KEY)))
        return
    with file_lock(project.root / ".import.lock", _BUSY):
        yield
