"""List the rows of the feature files beside a store, and blank those of withdrawn images.

A vector file is a matrix `NAME.WIDTH.f32` and a list `NAME.WIDTH.rows` of its rows' digests.
"""

import fcntl
import os
from collections.abc import Iterable, Set
from pathlib import Path

LINE = 65  # a SHA-256 in hexadecimal, and a line feed
FLOAT = 4


def rows_of(path: Path) -> dict[str, int]:
    """The row of each digest in a `.rows` file; a last line torn by a crash does not count."""
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content[: len(content) // LINE * LINE]
    return {digest: row for row, digest in enumerate(whole.decode().splitlines())}


def forget_vectors(directory: Path, digests: Iterable[str]) -> int:
    """Blank the vectors of these image files in every vector file; return how many there were.

    A second call finds none. Rows keep their places, since others may be reading.
    """
    unwanted = set(digests)
    return sum(_forget(path, unwanted) for path in sorted(directory.glob("*.rows")))


def _forget(path: Path, digests: Set[str]) -> int:
    """Blank vectors first, then names: after a crash in between the names are found again."""
    with path.open("r+b") as rows:
        fcntl.flock(rows, fcntl.LOCK_EX)
        names = [rows.read(LINE) for _ in range(os.fstat(rows.fileno()).st_size // LINE)]
        places = [place for place, name in enumerate(names) if name[:-1].decode() in digests]
        if not places:
            return 0
        with path.with_suffix(".f32").open("r+b") as matrix:
            width = os.fstat(matrix.fileno()).st_size // len(names)
            width -= width % FLOAT
            for place in places:
                matrix.seek(place * width)
                matrix.write(bytes(width))
            os.fsync(matrix.fileno())
        for place in places:
            rows.seek(place * LINE)
            rows.write(f"{f'withdrawn-{place}-':.<64}\n".encode())
        os.fsync(rows.fileno())
    return len(places)
