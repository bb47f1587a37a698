"""Exact nearest neighbours by cosine distance (0 to 2), in bounded memory."""

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


def nearest_of_two_groups(queries: Features, references: Features, groups: NDArray[np.int64]) -> Nearest:
    """(N, 2): the nearest reference, and the nearest one of another group (subject) than that.

    `queries` (V, N, D) holds V placements of each picture, of which the closest counts; `groups` (M,) are the
    references' subjects: slices of one subject are alike, so the second must be of another. Without one it is infinite.
    """
    queries, references = normalised(queries), normalised(references)
    versions, count, width = queries.shape
    rows_at_once = max(1, BLOCK // versions)
    distances = np.full((count, 2), np.inf, np.float32)
    positions = np.zeros((count, 2), np.int64)
    for top in range(0, count, rows_at_once):
        rows = slice(top, min(top + rows_at_once, count))
        flat = queries[:, rows].reshape(-1, width)
        for left in range(0, len(references), BLOCK):
            some = references[left : left + BLOCK]
            block = (1 - flat @ some.T).reshape(versions, -1, len(some)).min(axis=0)
            found = _two_of_block(block, groups[left : left + BLOCK])
            distances[rows], positions[rows] = _merge(
                (distances[rows], positions[rows]), (found.distances, found.positions + left), groups
            )
    return Nearest(np.maximum(distances, 0), positions)


def _two_of_block(block: NDArray[np.float32], groups: NDArray[np.int64]) -> Nearest:
    own = np.arange(len(block))
    first = block.argmin(axis=1)
    others = np.where(groups[None, :] == groups[first][:, None], np.float32(np.inf), block)
    second = others.argmin(axis=1)
    return Nearest(
        np.stack([block[own, first], others[own, second]], axis=1), np.stack([first, second], axis=1).astype(np.int64)
    )


def _merge(
    one: tuple[NDArray[np.float32], NDArray[np.int64]],
    other: tuple[NDArray[np.float32], NDArray[np.int64]],
    groups: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    distances = np.concatenate([one[0], other[0]], axis=1)  # (N, 4)
    positions = np.concatenate([one[1], other[1]], axis=1)
    own = np.arange(len(distances))
    first = distances.argmin(axis=1)
    same = groups[positions] == groups[positions[own, first]][:, None]
    second = np.where(same, np.float32(np.inf), distances).argmin(axis=1)
    chosen = np.stack([first, second], axis=1)
    picked = np.take_along_axis(distances, chosen, axis=1)
    picked[same[own, second], 1] = np.inf
    return picked, np.take_along_axis(positions, chosen, axis=1)
