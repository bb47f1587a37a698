"""Write folders and files that appear whole or not at all, and wait until they have reached the disk."""

import ctypes
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from curation.errors import BadInput, Conflict, NotFound


def partial_path(target: Path) -> Path:
    """Name a new path beside `target` for work in progress: hidden, unique, ending in `.part`."""
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside `target` that becomes `target` when the block ends well and vanishes when it does not."""
    partial = partial_path(target)
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder like `whole_folder`, never over something that is there.

    Raises Conflict when something is at `target`, NotFound without its parent, BadInput when it cannot be written.
    """
    target = target.absolute()
    if not target.parent.is_dir():
        raise NotFound(f"no directory {target.parent} to write {target.name} into. Make it, or choose another place.")
    _refuse_existing(target)
    try:
        with whole_folder(target) as partial:
            yield partial
            _refuse_existing(target)
    except OSError as error:
        raise BadInput(
            f"{target} cannot be written: {error.strerror or error}. Nothing was left there; make room or choose "
            "another place."
        ) from error


def _refuse_existing(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise Conflict(f"{target} exists already. Choose a new directory; nothing is overwritten.")


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write; it replaces `target` when the block ends well and vanishes when not.

    The path is the same each time, so what a killed process left is overwritten: one writer at a time.
    """
    partial = target.with_name(f"{target.name}.part")
    try:
        yield partial
        partial.replace(target)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def write_through(path: Path) -> None:
    """Wait until everything written on the file system of `path`, names included, has reached the disk.

    One `syncfs` (Linux) for any number of files: a wait for each file and its folder costs milliseconds a file.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if library.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
