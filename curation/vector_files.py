"""The vector files beside a store: append and read rows, and blank those of withdrawn images.

A vector file is a matrix `NAME.WIDTH.f32` and a list `NAME.WIDTH.rows` of its rows' digests: of a backbone's features
the digests of the pixels, of anything else those of the stored files.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from curation.errors import Conflict, Damaged
from curation.files import whole_file
from curation.progress import OnProgress

LINE = 65  # a SHA-256 in hexadecimal, and a line feed
FLOAT = 4

Vectors = NDArray[np.float32]
T = TypeVar("T")


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
    writer cuts them off. Several processes may fill one file.
    """

    directory: Path
    name: str
    width: int

    def places(self) -> dict[str, int]:
        """The row of each digest that the file has; rows that the matrix lost with a power cut do not count."""
        return self._held(rows_of(self._rows_path))

    def _held(self, rows: dict[str, int]) -> dict[str, int]:
        if not rows:
            return rows
        size = self._matrix_path.stat().st_size if self._matrix_path.exists() else 0
        held = size // (self.width * FLOAT)
        return rows if held >= len(rows) else {digest: row for digest, row in rows.items() if row < held}

    def stored(self, digests: Sequence[str]) -> StoredRows:
        """The rows of these digests, left in the file until they are asked for.

        Raises Conflict where the file lacks one: its image was withdrawn while the others were computed.
        """
        rows = self.places()
        try:
            places = np.array([rows[digest] for digest in digests], np.int64)
        except KeyError as error:
            raise Conflict(
                f"image {error.args[0]} was withdrawn while the vectors of others were computed. Do the same again."
            ) from error
        return StoredRows(self._matrix_path, self.width, places)

    def fill(
        self,
        digests: Iterable[str],
        read: Callable[[list[str]], T],
        compute: Callable[[T], Vectors],
        report: OnProgress,
        note: str,
        at_once: int,
    ) -> None:
        """Compute and keep the vectors that the file lacks, `at_once` images at a time.

        The next images are read while those before are computed. Interrupted, the next call goes on.
        """
        missing = sorted(set(digests) - self.places().keys())
        portions = [missing[start : start + at_once] for start in range(0, len(missing), at_once)]

        def computed() -> Iterator[tuple[list[str], Vectors]]:
            done = 0
            for portion, images in read_ahead(read, portions):
                yield portion, compute(images)
                done += len(portion)
                report(done, len(missing), note)

        self.extend(computed())

    def append(self, digests: Sequence[str], vectors: Vectors) -> None:
        """Keep the vectors (N, D) of these digests; one that is there already stays."""
        self.extend([(digests, vectors)])

    def extend(self, parts: Iterable[tuple[Sequence[str], Vectors]]) -> None:
        """Append part after part, each under the lock; of the list only what others added is read again."""
        known: dict[str, int] = {}
        for digests, vectors in parts:
            self.directory.mkdir(parents=True, exist_ok=True)
            with self._rows_path.open("ab", 0) as rows, self._matrix_path.open("ab", 0) as matrix:
                fcntl.flock(rows, fcntl.LOCK_EX)
                known = self._held(known | rows_of(self._rows_path, len(known)))
                new = {digest: place for place, digest in enumerate(digests) if digest not in known}
                self._cut(len(known))
                try:
                    _write(matrix.fileno(), np.ascontiguousarray(vectors[list(new.values())], np.float32).tobytes())
                    _write(rows.fileno(), "".join(f"{digest}\n" for digest in new).encode())
                except OSError as error:  # a full disk takes a part of what is written
                    with suppress(OSError):
                        self._cut(len(known))
                    raise OSError(error.errno, os.strerror(error.errno or 0), str(self._matrix_path)) from error
                known |= {digest: row for row, digest in enumerate(new, len(known))}

    def _cut(self, count: int) -> None:
        """Cut off what lies behind the first `count` rows."""
        os.truncate(self._rows_path, count * LINE)
        os.truncate(self._matrix_path, count * self.width * FLOAT)

    @property
    def _matrix_path(self) -> Path:
        return self.directory / f"{self.name}.{self.width}.f32"

    @property
    def _rows_path(self) -> Path:
        return self.directory / f"{self.name}.{self.width}.rows"


def _write(descriptor: int, content: bytes) -> None:
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def read_ahead(read: Callable[[list[str]], T], portions: Sequence[list[str]]) -> Iterator[tuple[list[str], T]]:
    """Yield each portion with what is read of it; the next one is read in a thread while the caller is at work."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        coming = [reader.submit(read, portion) for portion in portions[:1]]
        for following, portion in enumerate(portions, 1):
            images = coming.pop().result()
            coming += [reader.submit(read, portion) for portion in portions[following : following + 1]]
            yield portion, images


def rows_of(path: Path, after: int = 0) -> dict[str, int]:
    """The row of each digest in a `.rows` file behind the first `after`; a last line torn by a crash does not count."""
    if not path.exists():
        return {}
    with path.open("rb") as rows:
        rows.seek(after * LINE)
        content = rows.read()
    whole = content[: len(content) // LINE * LINE]
    return {digest: row for row, digest in enumerate(whole.decode().splitlines(), after)}


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


def kept_digests(directory: Path) -> Iterator[tuple[Path, Set[str]]]:
    """Yield each `.rows` file and the digests of images it names."""
    for path in sorted(directory.glob("*.rows")):
        yield path, rows_of(path).keys()


def note_backbone(directory: Path, name: str, backbone: Path) -> None:
    """Note beside a feature file whose it is, where the backbone lies in the project; the first note stays."""
    note, root = directory / f"{name}.json", directory.parent.resolve()
    if not note.exists() and backbone.resolve().is_relative_to(root):
        with whole_file(note) as partial:
            partial.write_text(json.dumps({"backbone": backbone.resolve().relative_to(root).as_posix()}) + "\n")


def remove_features(directory: Path, removed: str) -> int:
    """Remove the feature files of backbones in a removed folder (`backbones/NAME`); return how many there were.

    A backbone that was added under two names has one file: the other computes its features again.
    """
    count = 0
    for note in sorted(directory.glob("features-*.json")):
        backbone = PurePosixPath(json.loads(note.read_text())["backbone"])
        if backbone.is_relative_to(removed):
            for path in [*directory.glob(f"{note.stem}.*.rows"), *directory.glob(f"{note.stem}.*.f32"), note]:
                path.unlink(missing_ok=True)
            count += 1
    return count


def feature_prefix(backbone_digest: str) -> str:
    """What the names of the feature files of a backbone begin with."""
    return f"features-{backbone_digest[:16]}-"
