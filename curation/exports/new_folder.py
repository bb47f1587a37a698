"""A folder that is there whole or not at all."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curation.errors import BadInput, Conflict, NotFound


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside `target` that becomes `target` when the block ends well and vanishes when it does not.

    Raises Conflict when something is there, NotFound without its parent, BadInput when it cannot be written.
    """
    target = target.absolute()
    if not target.parent.is_dir():
        raise NotFound(f"no directory {target.parent} to write {target.name} into. Make it, or choose another place.")
    _refuse_existing(target)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        partial.mkdir()
        yield partial
        _refuse_existing(target)
        partial.rename(target)
    except OSError as error:
        raise BadInput(
            f"{target} cannot be written: {error.strerror or error}. Nothing was left there; make room or choose "
            "another place."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _refuse_existing(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise Conflict(f"{target} exists already. Choose a new directory; nothing is overwritten.")
