"""Features kept in one memory-mapped file per encoder, and exact nearest neighbours in bounded memory."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput
from curation.image_store import ImageStore
from curation.screening.backbone import Backbone

Features = NDArray[np.float32]
Report = Callable[[int, int, str | None], None]

BLOCK = 4_096
READ = 256


@dataclass(frozen=True, slots=True)
class Nearest:
    """The k nearest references of each query: (N, k) distances in ascending order, and their positions."""

    distances: NDArray[np.float32]
    positions: NDArray[np.int64]


def normalised(features: Features) -> Features:
    """Rows of unit length, so that squared distance is 2 - 2 cosine."""
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12), np.float32)


def nearest(queries: Features, references: Features, k: int, skip_self: bool = False) -> Nearest:
    """Exact cosine distances (0 to 2) to the `k` nearest `references`, in blocks of 4,096 x 4,096.

    `skip_self` leaves out the diagonal, for a set against itself. Raises BadInput when there are fewer than `k`.
    """
    available = len(references) - (1 if skip_self else 0)
    if available < k:
        raise BadInput(f"expected at least {k} reference images, got {available}.")
    queries, references = normalised(queries), normalised(references)
    distances = np.full((len(queries), k), np.inf, np.float32)
    positions = np.zeros((len(queries), k), np.int64)
    for top in range(0, len(queries), BLOCK):
        rows = slice(top, min(top + BLOCK, len(queries)))
        for left in range(0, len(references), BLOCK):
            block = 1 - queries[rows] @ references[left : left + BLOCK].T
            if skip_self:
                here = np.arange(rows.start, rows.stop) - left
                inside = (here >= 0) & (here < block.shape[1])
                block[np.flatnonzero(inside), here[inside]] = np.inf
            columns = np.broadcast_to(np.arange(left, left + block.shape[1]), block.shape)
            all_distances = np.concatenate([distances[rows], block], axis=1)
            all_positions = np.concatenate([positions[rows], columns], axis=1)
            best = np.argsort(all_distances, axis=1, kind="stable")[:, :k]
            distances[rows] = np.take_along_axis(all_distances, best, axis=1)
            positions[rows] = np.take_along_axis(all_positions, best, axis=1)
    return Nearest(np.maximum(distances, 0), positions)


class EmbeddingFile:
    """Features by file digest, for one encoder: an append-only matrix beside an index, under `embeddings/`."""

    def __init__(self, directory: Path, backbone: Backbone) -> None:
        self.backbone = backbone
        self.matrix_path = directory / f"{backbone.digest[:16]}.f32"
        self.index_path = directory / f"{backbone.digest[:16]}.json"

    def features(self, store: ImageStore, digests: Sequence[str], report: Report) -> Features:
        """(N, D) float32 of the stored images, in the order asked; what is not there yet is computed and kept."""
        index, width = self._index()
        missing = sorted(set(digests) - index.keys())
        for start in range(0, len(missing), READ):
            chunk = missing[start : start + READ]
            computed = self.backbone.features(store.stack(chunk))
            width = computed.shape[1]
            # The matrix grows first and the index is replaced whole: a crash leaves rows that nothing points at.
            offset = self.matrix_path.stat().st_size // (4 * width) if self.matrix_path.exists() else 0
            with self.matrix_path.open("ab") as file:
                file.truncate(offset * 4 * width)
                file.write(np.ascontiguousarray(computed, np.float32).tobytes())
            index |= {digest: offset + position for position, digest in enumerate(chunk)}
            self._write_index(index, width)
            report(min(start + READ, len(missing)), len(missing), "features")
        if not digests:
            return np.zeros((0, max(width, 1)), np.float32)
        matrix = np.memmap(self.matrix_path, np.float32, "r").reshape(-1, width)
        return np.array(matrix[[index[digest] for digest in digests]])

    def _index(self) -> tuple[dict[str, int], int]:
        if not self.index_path.is_file():
            return {}, 0
        saved = json.loads(self.index_path.read_text())
        return saved["rows"], saved["width"]

    def _write_index(self, index: dict[str, int], width: int) -> None:
        self.index_path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.index_path.with_suffix(".part")
        partial.write_text(json.dumps({"encoder": self.backbone.name, "width": width, "rows": index}))
        partial.replace(self.index_path)
