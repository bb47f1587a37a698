"""Fingerprints of real images: kept beside the store, and those of an import in the order they came."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Self

import numpy as np

from curation.near_copies.fingerprints import WIDTH, Floats, local_fingerprints, small_gray
from curation.progress import OnProgress
from curation.project import Project
from curation.vector_files import StoredRows, VectorFile

AT_ONCE = 24  # what fits the cache of a processor
MOVED_AT_ONCE = 256


def print_file(project: Project) -> VectorFile:
    """The file that keeps the fingerprints of stored images; a withdrawal blanks its rows."""
    return VectorFile(project.directory("embeddings"), "local-fingerprints-1", WIDTH)


def stored_prints(project: Project, digests: Sequence[str], report: OnProgress) -> StoredRows:
    """The fingerprints of stored images of any shape, in the order asked; missing ones are computed and kept."""
    file = print_file(project)

    def read(portion: Sequence[str]) -> Floats:
        return np.concatenate([small_gray(project.store.pixels(digest)[None]) for digest in portion])

    file.fill(digests, read, local_fingerprints, report, "fingerprints", MOVED_AT_ONCE)
    return file.stored(digests)


class IncomingPrints:
    """Fingerprints in the order in which pictures come, in a temporary file that goes with the process."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._small: list[Floats] = []
        self._written = 0

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """Open a new, empty file."""
        with tempfile.TemporaryFile() as file:
            yield cls(file)

    def add(self, small: Floats) -> None:
        """Add what `small_gray` gives of one picture (1, 32, 32)."""
        self._small.append(small)
        if len(self._small) >= AT_ONCE:
            self._write()

    def rows(self) -> StoredRows:
        """Every fingerprint so far."""
        self._write()
        return StoredRows(self._file.fileno(), WIDTH, np.arange(self._written))

    def keep(self, project: Project, kept: Iterable[tuple[int, str]]) -> None:
        """Keep the fingerprints of stored files (position from 0, digest) beside the store."""
        rows, file = self.rows(), print_file(project)
        wanted = list(dict((digest, position) for position, digest in kept).items())
        parts = (wanted[start : start + MOVED_AT_ONCE] for start in range(0, len(wanted), MOVED_AT_ONCE))
        file.extend(([name for name, _ in part], rows[np.array([place for _, place in part])]) for part in parts)

    def _write(self) -> None:
        if self._small:
            self._file.write(local_fingerprints(np.concatenate(self._small)).tobytes())
            self._file.flush()
            self._written += len(self._small)
            self._small.clear()
