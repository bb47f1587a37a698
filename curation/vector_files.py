"""The files of vectors beside a store, as far as records need to know them: what was withdrawn is taken out of them.

A vector file is a matrix `NAME.WIDTH.f32` and a list `NAME.WIDTH.rows` of its rows' digests.
"""

import fcntl
import os
from collections.abc import Iterable, Set
from pathlib import Path

LINE = 65  # a SHA-256 in hexadecimal, and a line feed
FLOAT = 4


def rows_of(path: Path) -> dict[str, int]:
    """Row of each digest in a `.rows` file; the tail of a line that a crash tore off does not count."""
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content[: len(content) // LINE * LINE]
    return {digest: row for row, digest in enumerate(whole.decode().splitlines())}


def forget_vectors(directory: Path, digests: Iterable[str]) -> int:
    """Blank the vectors of these image files in every vector file; returns how many there were. Again, it finds none.

    Rows keep their places: others may be reading.
    """
    unwanted = set(digests)
    return sum(_forget(path, unwanted) for path in sorted(directory.glob("*.rows")))


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
