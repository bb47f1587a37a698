"""Search the image of another subject that an image looks most like, without a network.

Two steps. Local fingerprints of all images are compared at 16 x 16, as they are and mirrored, a block at a time, and
the likeliest few of other subjects are kept. These are compared at 32 x 32 under every move of up to two cells in steps
of half a cell (by the Fourier transform of their product), and the best counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fftfreq, rfft2, rfftfreq

from curation.near_copies.fingerprints import SIDE, WIDTH, Floats
from curation.progress import OnProgress, silent

METHOD = "local-fingerprints-1/0.92"
LIMIT = 0.92
CANDIDATES = 4
WORTH_ALIGNING = 0.75  # of the coarse correlation
REACH, STEPS = 2, 2  # cells, and steps a cell
QUERIES_AT_ONCE, REFERENCES_AT_ONCE, PAIRS_AT_ONCE = 256, 512, 64

Positions = NDArray[np.int64]


class Prints(Protocol):
    """(N, 1024) local fingerprints: an array, or rows of a file that are read when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Positions, /) -> Floats: ...


@dataclass(frozen=True, slots=True)
class PrintedImages:
    """Fingerprints of images (N,) and the subjects (N,) whose they are."""

    prints: Prints
    subjects: Positions

    def blocks(self, size: int) -> Iterator[tuple[Positions, Floats]]:
        """Yield positions and fingerprints, `size` at a time."""
        for start in range(0, len(self.subjects), size):
            positions = np.arange(start, min(start + size, len(self.subjects)))
            yield positions, self.prints[positions]


@dataclass(frozen=True, slots=True)
class MostAlike:
    """Of each query the position of the reference of another subject most like it (-1: none), and their correlation."""

    positions: Positions
    correlations: Floats

    @property
    def are_near_copies(self) -> NDArray[np.bool_]:
        """Which queries agree with their reference as copies do."""
        return self.correlations >= LIMIT


def most_alike(queries: PrintedImages, references: PrintedImages, report: OnProgress = silent) -> MostAlike:
    """Find the reference of another subject that each query looks most like."""
    positions, likeness = _candidates(queries, references, report)
    best = MostAlike(np.full(len(queries.subjects), -1), np.full(len(queries.subjects), -1, np.float32))
    rows, columns = np.nonzero(likeness >= WORTH_ALIGNING)
    for start in range(0, len(rows), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        query, reference = rows[part], positions[rows[part], columns[part]]
        agreement = correlate_aligned(queries.prints[query], references.prints[reference])
        order = np.argsort(agreement, kind="stable")  # of several, the best is written last
        better = order[agreement[order] > best.correlations[query[order]]]
        best.positions[query[better]], best.correlations[query[better]] = reference[better], agreement[better]
    return best


def correlate_aligned(prints: Floats, others: Floats) -> Floats:
    """(P,): the correlation of each fingerprint with the other of its row, at the placement where they agree best."""
    grids, fixed = (vectors.reshape(-1, SIDE, SIDE) for vectors in (prints, others))
    spectrum = rfft2(fixed)
    down, across = _moves()
    products = [down @ (rfft2(turned).conj() * spectrum) @ across for turned in (grids, grids[..., ::-1])]
    agreement: Floats = np.maximum(*(product.real.max(axis=(1, 2)) for product in products))
    return agreement


@cache
def _moves() -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Inverse Fourier transform at the moves that are tried alone: (M, 32) down and (17, M) across."""
    moves = np.arange(-REACH * STEPS, REACH * STEPS + 1) / STEPS
    down = np.exp(2j * np.pi * np.outer(moves, fftfreq(SIDE))) / SIDE
    twice = np.full(SIDE // 2 + 1, 2.0)  # of a real image half of the spectrum is kept, the other half is its mirror
    twice[[0, -1]] = 1
    across = twice[:, None] * np.exp(2j * np.pi * np.outer(rfftfreq(SIDE), moves)) / SIDE
    return down.astype(np.complex64), across.astype(np.complex64)


def _candidates(queries: PrintedImages, references: PrintedImages, report: OnProgress) -> tuple[Positions, Floats]:
    """Positions and coarse correlations (N, 4) of the likeliest references of other subjects; -1: there is none."""
    count = len(queries.subjects)
    positions, likeness = np.zeros((count, CANDIDATES), np.int64), np.full((count, CANDIDATES), -1, np.float32)
    of_queries = np.zeros((count, WIDTH // 4), np.float16)
    for rows, prints in queries.blocks(QUERIES_AT_ONCE):
        of_queries[rows] = _coarse(prints)
    for columns, prints in references.blocks(REFERENCES_AT_ONCE):
        report(int(columns[0]), len(references.subjects), "looking for near copies")
        coarse = _coarse(prints).T
        for start in range(0, count, QUERIES_AT_ONCE):
            rows = np.arange(start, min(start + QUERIES_AT_ONCE, count))
            both = of_queries[rows].astype(np.float32)
            block = both @ coarse
            np.maximum(block, _mirrored(both) @ coarse, out=block)
            block[queries.subjects[rows, None] == references.subjects[columns]] = -1
            likely = (block >= WORTH_ALIGNING).any(axis=1)
            if likely.any():
                _keep_best(positions, likeness, rows[likely], int(columns[0]), block[likely])
    return positions, likeness


def _keep_best(positions: Positions, likeness: Floats, queries: Positions, first: int, block: Floats) -> None:
    """Keep the best of those kept so far and of a block that begins at reference `first`."""
    kept = min(CANDIDATES, block.shape[1])
    columns = np.argpartition(block, block.shape[1] - kept, axis=1)[:, -kept:]
    values = np.concatenate([likeness[queries], np.take_along_axis(block, columns, axis=1)], axis=1)
    places = np.concatenate([positions[queries], columns + first], axis=1)
    best = np.argpartition(values, values.shape[1] - CANDIDATES, axis=1)[:, -CANDIDATES:]
    positions[queries] = np.take_along_axis(places, best, axis=1)
    likeness[queries] = np.take_along_axis(values, best, axis=1)


def _coarse(prints: Floats) -> Floats:
    """(N, 256) of unit length: fingerprints at 16 x 16."""
    grids = prints.reshape(-1, SIDE, SIDE)
    half = grids[:, ::2] + grids[:, 1::2]
    small = (half[:, :, ::2] + half[:, :, 1::2]).reshape(-1, WIDTH // 4)
    length = np.sqrt(np.einsum("nd,nd->n", small, small)[:, None])
    return np.asarray(small / np.maximum(length, 1e-6), np.float32)


def _mirrored(coarse: Floats) -> Floats:
    half = SIDE // 2
    return np.ascontiguousarray(coarse.reshape(-1, half, half)[:, :, ::-1]).reshape(coarse.shape)
