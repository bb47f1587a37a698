"""Exact nearest neighbours by cosine distance (0 to 2), in bounded memory.

A million references may lie on disk.
"""

import mmap
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.errors import BadInput

Features = NDArray[np.float32]

BLOCK = 4_096


@dataclass(frozen=True, slots=True)
class Nearest:
    """The k nearest references of each query: (N, k) distances in ascending order, and their positions."""

    distances: NDArray[np.float32]
    positions: NDArray[np.int64]


def normalised(features: Features) -> Features:
    """Rows of unit length, so that a product of two rows is their cosine."""
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-12), np.float32)


def nearest(queries: Features, references: Features, k: int, skip_self: bool = False) -> Nearest:
    """The `k` nearest `references` (M, D) of each of `queries` (N, D), in blocks of 4,096 x 4,096.

    Either may be a `numpy.memmap`: a block at a time is read, scaled and forgotten, the references once. `skip_self`
    leaves out the diagonal, for a set against itself. Raises BadInput when there are fewer than `k`.
    """
    available = len(references) - (1 if skip_self else 0)
    if available < k:
        raise BadInput(f"expected at least {k} reference images, got {available}.")
    distances = np.full((len(queries), k), np.inf, np.float32)
    positions = np.zeros((len(queries), k), np.int64)
    for left in range(0, len(references), BLOCK):
        block_references = normalised(references[left : left + BLOCK])
        for top in range(0, len(queries), BLOCK):
            rows = slice(top, min(top + BLOCK, len(queries)))
            block = 1 - normalised(queries[rows]) @ block_references.T
            if skip_self:
                positions_in_block = np.arange(rows.start, rows.stop) - left
                inside = (positions_in_block >= 0) & (positions_in_block < block.shape[1])
                block[inside, positions_in_block[inside]] = np.inf
            kept = (distances[rows], positions[rows])
            distances[rows], positions[rows] = _closest(kept, block, left, k)
        _forget(references)
    distances = np.maximum(distances, 0)
    order = np.lexsort((positions, distances), axis=1)  # ascending; equal distances by position
    return Nearest(np.take_along_axis(distances, order, axis=1), np.take_along_axis(positions, order, axis=1))


def _forget(references: Features) -> None:
    """Give the pages of a mapped file back, since read pages count as memory of this process."""
    if isinstance(references, np.memmap) and isinstance(references.base, mmap.mmap):
        references.base.madvise(mmap.MADV_DONTNEED)


def _closest(
    kept: tuple[NDArray[np.float32], NDArray[np.int64]], block: NDArray[np.float32], left: int, k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k smallest of those kept so far and of a block that begins at reference `left`, in no order."""
    if block.shape[1] > k:
        columns = np.argpartition(block, k - 1, axis=1)[:, :k]
    else:
        columns = np.broadcast_to(np.arange(block.shape[1]), block.shape)
    distances = np.concatenate([kept[0], np.take_along_axis(block, columns, axis=1)], axis=1)
    positions = np.concatenate([kept[1], columns + left], axis=1)
    best = np.argpartition(distances, k - 1, axis=1)[:, :k]
    return np.take_along_axis(distances, best, axis=1), np.take_along_axis(positions, best, axis=1)


def nearest_of_two_groups(queries: Features, references: Features, groups: NDArray[np.int64]) -> Nearest:
    """(N, 2): the nearest reference, and the nearest one of another group (subject) than that.

    `queries` (V, N, D) holds V placements of each image, of which the closest counts; `groups` (M,) are the
    references' subjects: slices of one subject are alike, so the second must be of another. Without one it is infinite.
    `references` may be a `numpy.memmap`, as in `nearest`.
    """
    versions, count, width = queries.shape
    rows_at_once = max(1, BLOCK // versions)
    distances = np.full((count, 2), np.inf, np.float32)
    positions = np.zeros((count, 2), np.int64)
    for left in range(0, len(references), BLOCK):
        block_references = normalised(references[left : left + BLOCK])
        for top in range(0, count, rows_at_once):
            rows = slice(top, min(top + rows_at_once, count))
            flat = normalised(queries[:, rows]).reshape(-1, width)
            block = (1 - flat @ block_references.T).reshape(versions, -1, len(block_references)).min(axis=0)
            two = _two_of_block(block, groups[left : left + BLOCK])
            distances[rows], positions[rows] = _merge(
                (distances[rows], positions[rows]), (two.distances, two.positions + left), groups
            )
        _forget(references)
    return Nearest(np.maximum(distances, 0), positions)


def _two_of_block(block: NDArray[np.float32], groups: NDArray[np.int64]) -> Nearest:
    rows = np.arange(len(block))
    first = block.argmin(axis=1)
    others = np.where(groups[None, :] == groups[first][:, None], np.float32(np.inf), block)
    second = others.argmin(axis=1)
    return Nearest(
        np.stack([block[rows, first], others[rows, second]], axis=1), np.stack([first, second], axis=1).astype(np.int64)
    )


def _merge(
    kept: tuple[NDArray[np.float32], NDArray[np.int64]],
    candidates: tuple[NDArray[np.float32], NDArray[np.int64]],
    groups: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    distances = np.concatenate([kept[0], candidates[0]], axis=1)  # (N, 4)
    positions = np.concatenate([kept[1], candidates[1]], axis=1)
    rows = np.arange(len(distances))
    first = distances.argmin(axis=1)
    same = groups[positions] == groups[positions[rows, first]][:, None]
    second = np.where(same, np.float32(np.inf), distances).argmin(axis=1)
    chosen = np.stack([first, second], axis=1)
    picked = np.take_along_axis(distances, chosen, axis=1)
    picked[same[rows, second], 1] = np.inf
    return picked, np.take_along_axis(positions, chosen, axis=1)
