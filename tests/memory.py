"""A place in memory for the files of tests, which would otherwise wait for the disk at every commit."""

import os
import shutil
from pathlib import Path

ROOM_BYTES = 4 << 30


def memory_root() -> Path | None:
    """Return `/dev/shm` where it has room for a whole run; None on systems without it."""
    root = Path("/dev/shm")
    if not root.is_dir() or not os.access(root, os.W_OK) or shutil.disk_usage(root).free < ROOM_BYTES:
        return None
    return root
