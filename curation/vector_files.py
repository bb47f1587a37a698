"""The files of vectors beside a store, as far as records need to know them: what was withdrawn is taken out of them."""

import fcntl
from collections.abc import Iterable
from pathlib import Path

LINE = 65  # a SHA-256 in hexadecimal, and a line feed


def rows_of(path: Path) -> dict[str, int]:
    """Row of each digest in a `.rows` file; the tail of a line that a crash tore off does not count."""
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content[: len(content) // LINE * LINE]
    return {digest: row for row, digest in enumerate(whole.decode().splitlines())}


def forget_vectors(directory: Path, digests: Iterable[str]) -> int:
    """Take the vectors of these image files out of every vector file of a directory; returns how many there were.

    A file is called NAME.WIDTH.rows, its matrix NAME.WIDTH.f32. The name of a row goes first and its numbers after it,
    so a crash leaves numbers that nothing names. Rows keep their places: others may be reading.
    """
    unwanted = set(digests)
    return sum(_forget_in(path, unwanted) for path in sorted(directory.glob("*.rows")))


def _forget_in(path: Path, unwanted: set[str]) -> int:
    with path.open("r+b") as rows, path.with_suffix(".f32").open("r+b") as matrix:
        fcntl.flock(rows, fcntl.LOCK_EX)
        known = rows_of(path)
        gone = [row for digest, row in known.items() if digest in unwanted]
        if not gone:
            return 0
        row_bytes = 4 * int(path.stem.rsplit(".", 1)[1])
        for row in gone:
            rows.seek(row * LINE)
            rows.write(f"{row:064d}\n".encode())  # no digest, and another for each row
        rows.flush()
        for row in gone:
            matrix.seek(row * row_bytes)
            matrix.write(bytes(row_bytes))
    return len(gone)
