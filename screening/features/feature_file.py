"""Vectors of stored images, computed once: an append-only matrix and the digests of its rows."""

import fcntl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from curation.image_store import ImageStore, Pixels
from curation.progress import OnProgress
from curation.vector_files import LINE, rows_of
from screening.features.neighbours import Features
from train.backbones.load import Backbone

READ = 256


@dataclass(frozen=True)
class StoredRows:
    """Rows (N, D) of a mapped matrix, read when they are asked for by position or by mask."""

    matrix: Features
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, wanted: NDArray[np.int64] | NDArray[np.bool_]) -> Features:
        return np.array(self.matrix[self.places[wanted]])


@dataclass(frozen=True)
class FeatureFile:
    """`NAME.WIDTH.f32` holds rows of float32, `NAME.WIDTH.rows` the file digest of each, under `embeddings/`.

    The matrix grows first and the digests after it, under a lock: a crash leaves rows that nothing names, and the next
    writer overwrites them. Several processes may fill one file.
    """

    directory: Path
    name: str
    width: int
    compute: Callable[[Pixels], Features]

    @classmethod
    def of_backbone(cls, directory: Path, backbone: Backbone) -> Self:
        """Features of a backbone, kept under its digest."""
        return cls(directory, backbone.digest[:16], backbone.dimension, backbone.features)

    def features(self, store: ImageStore, digests: Sequence[str], report: OnProgress) -> Features:
        """(N, D) float32 of the stored images, in the order asked; what is not there yet is computed and kept."""
        return self.rows(store, digests, report)[np.arange(len(digests))]

    def rows(self, store: ImageStore, digests: Sequence[str], report: OnProgress) -> StoredRows:
        """The rows that `features` returns, left in the file until they are asked for."""
        missing = sorted(set(digests) - self._rows().keys())
        for start in range(0, len(missing), READ):
            chunk = missing[start : start + READ]
            self._append(chunk, self.compute(store.stack(chunk)))
            report(min(start + READ, len(missing)), len(missing), "features")
        rows = self._rows()
        places = np.array([rows[digest] for digest in digests], np.int64)
        if not digests:
            return StoredRows(np.zeros((0, self.width), np.float32), places)
        return StoredRows(np.memmap(self._matrix_path, np.float32, "r", shape=(len(rows), self.width)), places)

    @property
    def _matrix_path(self) -> Path:
        return self.directory / f"{self.name}.{self.width}.f32"

    @property
    def _rows_path(self) -> Path:
        return self.directory / f"{self.name}.{self.width}.rows"

    def _rows(self) -> dict[str, int]:
        return rows_of(self._rows_path)

    def _append(self, digests: Sequence[str], computed: Features) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._rows_path.open("ab") as rows, self._matrix_path.open("ab") as matrix:
            fcntl.flock(rows, fcntl.LOCK_EX)
            known = self._rows()
            new = [position for position, digest in enumerate(digests) if digest not in known]
            rows.truncate(len(known) * LINE)
            matrix.truncate(len(known) * self.width * 4)
            matrix.write(np.ascontiguousarray(computed[new], np.float32).tobytes())
            matrix.flush()
            rows.write("".join(f"{digests[position]}\n" for position in new).encode())
