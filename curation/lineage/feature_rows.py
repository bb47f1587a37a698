"""Forget vectors of stored images: the rows of `embeddings/` are blanked in place, since their places are counted.

A feature file is a matrix `NAME.f32` and a list `NAME.rows` of its rows' digests (curation/screening/feature_file.py).
"""

import fcntl
import os
from collections.abc import Set
from pathlib import Path

LINE = 65  # a SHA-256 in hexadecimal, and a line feed
FLOAT = 4


def forget_vectors(directory: Path, digests: Set[str]) -> int:
    """Blank the vectors of `digests` in every feature file; returns how many. Done again, it finds none."""
    return sum(_forget(path, digests) for path in sorted(directory.glob("*.rows")))


def _forget(path: Path, digests: Set[str]) -> int:
    """The vector first, the name after it: a crash in between leaves a name, which is found again."""
    with path.open("r+b") as rows:
        fcntl.flock(rows, fcntl.LOCK_EX)
        names = [rows.read(LINE) for _ in range(os.fstat(rows.fileno()).st_size // LINE)]
        found = [place for place, name in enumerate(names) if name[:-1].decode() in digests]
        if not found:
            return 0
        with path.with_suffix(".f32").open("r+b") as matrix:
            width = os.fstat(matrix.fileno()).st_size // len(names)
            width -= width % FLOAT
            for place in found:
                matrix.seek(place * width)
                matrix.write(bytes(width))
            os.fsync(matrix.fileno())
        for place in found:
            rows.seek(place * LINE)
            rows.write(f"{f'withdrawn-{place}-':.<64}\n".encode())
        os.fsync(rows.fileno())
    return len(found)
