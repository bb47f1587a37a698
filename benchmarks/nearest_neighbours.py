"""Exact nearest neighbours among embeddings on disk, beside the plain product of everything.

python -m benchmarks.nearest_neighbours [--sizes 10000 100000 1000000] [--queries 256] [--width 512] [--naive-up-to N]

Each search runs in a process of its own, so that its peak memory is its own. Both answers are compared.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.own_process import run_apart
from screening.features.neighbours import Features, nearest, nearest_of_two_groups, normalised

K = 3
CHUNK = 50_000


def main() -> None:
    """Print seconds and peak memory of each search; fails when two searches differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=256)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--naive-up-to", type=int, default=1_000_000)
    options = parser.parse_args()
    searches: dict[str, Callable[[Features, Features], NDArray[np.float32]]] = {
        "in blocks, 3 nearest": in_blocks,
        "in blocks, two subjects": of_two_subjects,
        "plain product, 3 nearest": plainly,
    }
    with tempfile.TemporaryDirectory() as scratch:
        for size in options.sizes:
            path = Path(scratch) / "references.f32"
            write_references(path, size, options.width)
            mib = path.stat().st_size >> 20
            print(f"{options.queries} queries against {size:,} x {options.width} float32 ({mib} MiB)")
            distances = {}
            for name, search in searches.items():
                if search is plainly and size > options.naive_up_to:
                    continue
                cost = run_apart(timed, search, path, size, options.width, options.queries)
                seconds, distances[name] = cost.result
                print(f"  {name:26} {seconds:8.2f} s, peak {cost.peak_mib:7,.0f} MiB", flush=True)
            if "plain product, 3 nearest" in distances:
                expected = distances["plain product, 3 nearest"]
                np.testing.assert_allclose(distances["in blocks, 3 nearest"], expected, atol=1e-5)
                np.testing.assert_allclose(distances["in blocks, two subjects"][:, 0], expected[:, 0], atol=1e-5)


def write_references(path: Path, size: int, width: int) -> None:
    """Random vectors, in chunks."""
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, size, CHUNK):
            file.write(random.standard_normal((min(CHUNK, size - start), width), np.float32).tobytes())


def in_blocks(queries: Features, references: Features) -> NDArray[np.float32]:
    """Ours."""
    return nearest(queries, references, K).distances


def of_two_subjects(queries: Features, references: Features) -> NDArray[np.float32]:
    """Ours, two images a subject."""
    return nearest_of_two_groups(queries[None], references, np.arange(len(references)) // 2).distances


def plainly(queries: Features, references: Features) -> NDArray[np.float32]:
    """Everything at once, sorted in full."""
    distances = 1 - normalised(queries) @ normalised(np.array(references)).T
    return np.maximum(np.sort(distances, axis=1)[:, :K], 0)


def timed(
    search: Callable[[Features, Features], NDArray[np.float32]], path: Path, size: int, width: int, queries: int
) -> tuple[float, NDArray[np.float32]]:
    """Seconds and answer of one search over references that are mapped, not read."""
    references = np.memmap(path, np.float32, "r", shape=(size, width))
    query_vectors = np.random.default_rng(1).standard_normal((queries, width), np.float32)
    started = time.perf_counter()
    distances = search(query_vectors, references)
    return time.perf_counter() - started, distances


if __name__ == "__main__":
    main()
