"""The vector files beside a store: append and read rows, and blank those of withdrawn images.

A vector file is a matrix `NAME.WIDTH.f32` and a list `NAME.WIDTH.rows` of its rows' digests.
"""

import fcntl
import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curation.errors import Damaged

LINE = 65  # a SHA-256 in hexadecimal, and a line feed
FLOAT = 4

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class StoredRows:
    """Rows (N, D) of a matrix in a file (its path or descriptor), read when they are asked for by position or by mask.

    They are read, not mapped: of a mapped file the system keeps much more in this process than was asked for.
    """

    file: Path | int
    width: int
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, wanted: NDArray[np.int64] | NDArray[np.bool_]) -> Vectors:
        places = self.places[wanted]
        rows = np.empty((len(places), self.width), np.float32)
        if not len(places):
            return rows
        ends = [*(np.nonzero(np.diff(places) != 1)[0] + 1).tolist(), len(places)]
        with open(self.file, "rb", buffering=0, closefd=isinstance(self.file, Path)) as matrix:
            start = 0
            for end in ends:  # a run of rows that lie one behind the other
                _read(matrix.fileno(), rows[start:end].data.cast("B"), int(places[start]) * self.width * FLOAT)
                start = end
        return rows

    def part(self, wanted: NDArray[np.int64]) -> "StoredRows":
        """Some of the rows, still in the file."""
        return StoredRows(self.file, self.width, self.places[wanted])


def _read(descriptor: int, buffer: memoryview, offset: int) -> None:
    """Fill the buffer from the file; one call of the system reads 2 GiB at most."""
    while buffer.nbytes:
        count = os.preadv(descriptor, [buffer], offset)
        if not count:
            raise Damaged(
                "a vector file under embeddings/ is shorter than its list says. Remove the .f32 and .rows files there: "
                "they are computed again."
            )
        buffer, offset = buffer[count:], offset + count


@dataclass(frozen=True)
class VectorFile:
    """`NAME.WIDTH.f32` holds rows of float32, `NAME.WIDTH.rows` the file digest of each, under `embeddings/`.

    The matrix grows first and the digests after it, under a lock: a crash leaves rows that nothing names, and the next
    writer overwrites them. Several processes may fill one file.
    """

    directory: Path
    name: str
    width: int

    def places(self) -> dict[str, int]:
        """The row of each digest that the file has."""
        return rows_of(self._rows_path)

    def stored(self, digests: Sequence[str]) -> StoredRows:
        """The rows of these digests, all of which the file has, left in it until they are asked for."""
        rows = self.places()
        return StoredRows(self._matrix_path, self.width, np.array([rows[digest] for digest in digests], np.int64))

    def append(self, digests: Sequence[str], vectors: Vectors) -> None:
        """Keep the vectors (N, D) of these digests; one that is there already stays."""
        self.extend([(digests, vectors)])

    def extend(self, parts: Iterable[tuple[Sequence[str], Vectors]]) -> None:
        """Append part after part; the list of what is there is read once."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._rows_path.open("ab") as rows, self._matrix_path.open("ab") as matrix:
            fcntl.flock(rows, fcntl.LOCK_EX)
            known = self.places().keys()
            rows.truncate(len(known) * LINE)
            matrix.truncate(len(known) * self.width * FLOAT)
            for digests, vectors in parts:
                new = [position for position, digest in enumerate(digests) if digest not in known]
                matrix.write(np.ascontiguousarray(vectors[new], np.float32).data)
                matrix.flush()
                rows.write("".join(f"{digests[position]}\n" for position in new).encode())
                rows.flush()

    @property
    def _matrix_path(self) -> Path:
        return self.directory / f"{self.name}.{self.width}.f32"

    @property
    def _rows_path(self) -> Path:
        return self.directory / f"{self.name}.{self.width}.rows"


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
    widths = {path: path.stem.rpartition(".")[2] for path in sorted(directory.glob("*.rows"))}
    return sum(_forget(path, int(width), unwanted) for path, width in widths.items() if width.isdecimal())


def _forget(path: Path, width: int, digests: Set[str]) -> int:
    """Blank vectors first, then names: after a crash in between the names are found again."""
    with path.open("r+b") as rows:
        fcntl.flock(rows, fcntl.LOCK_EX)
        names = [rows.read(LINE) for _ in range(os.fstat(rows.fileno()).st_size // LINE)]
        places = [place for place, name in enumerate(names) if name[:-1].decode() in digests]
        if not places:
            return 0
        with path.with_suffix(".f32").open("r+b") as matrix:
            for place in places:
                matrix.seek(place * width * FLOAT)
                matrix.write(bytes(width * FLOAT))
            os.fsync(matrix.fileno())
        for place in places:
            rows.seek(place * LINE)
            rows.write(f"{f'withdrawn-{place}-':.<64}\n".encode())
        os.fsync(rows.fileno())
    return len(places)
