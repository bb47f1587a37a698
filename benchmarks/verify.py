"""What `rounds verify` costs as a project grows, beside a loop that reads and hashes the files.

python -m benchmarks.verify [--sizes 1000,10000] [--rows 100000] [--directory DIRECTORY]

Each size is a project of its own with so many different files; `--rows` is one with so many images that share 64 files,
which shows what rows cost. Peak memory is that of a process of its own, less what it needs before it begins.
"""

import argparse
import hashlib
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from benchmarks.own_process import run_apart
from curation.image_store import encode_png, file_name, pixel_sha256
from curation.progress import silent
from curation.project import Project, open_or_make_project
from curation.tables.generation import Batch, Generator
from curation.tables.images import BuildStatus, Image, Origin
from curation.verification.verify import verify_project

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CHUNK = 10_000
SHARED = 64


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        for size in map(int, options.sizes.split(",")):
            measure(Path(scratch) / f"files-{size}", images=size, files=size)
        measure(Path(scratch) / f"rows-{options.rows}", images=options.rows, files=SHARED)


def measure(root: Path, images: int, files: int) -> None:
    """Make a project, then time the bare loop and verify, each in a fresh process."""
    make(root, images, files)
    bare, full = run_apart(bare_loop, root), run_apart(verify, root)
    print(
        f"{images} images, {files} files: verify {full.wall_s:.2f} s, bare read and hash {bare.wall_s:.2f} s, "
        f"{full.wall_s / bare.wall_s:.2f}x; {1e3 * full.wall_s / images:.3f} ms an image; "
        f"{full.peak_mib - full.before_mib:.0f} MiB above the start "
        f"(load {os.getloadavg()[0]:.0f})",
        flush=True,
    )


def make(root: Path, images: int, files: int) -> None:
    """A finished batch of `images` rows over `files` pictures of 16 pixels."""
    project, _ = open_or_make_project(root)
    stored = [stored_picture(root / "store", number) for number in range(files)]
    with project.database.write() as session:
        ready = {"status": BuildStatus.READY, "created_at": NOW}
        generator = Generator(name="g", directory="shipped", weights_digest="0" * 64, card={}, created_at=NOW)
        session.add(generator)
        session.flush()
        session.add(Batch(generator_id=generator.id, request={}, request_digest="1" * 64, size=images, **ready))
    for rows in image_rows(stored, images):
        with project.database.write() as session:
            session.execute(insert(Image), rows)
    project.database.dispose()


def stored_picture(store: Path, number: int) -> tuple[str, str]:
    """Digests of a file and of its pixels; the file is written as the store lays it out."""
    pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 1), dtype=np.uint8)
    content = encode_png(pixels)
    digest = hashlib.sha256(content).hexdigest()
    path = store / file_name(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest, pixel_sha256(pixels)


def image_rows(stored: list[tuple[str, str]], images: int) -> Iterator[list[dict[str, object]]]:
    """Rows that show the pictures in turn."""
    shape = {"height": 16, "width": 16, "channels": 1, "bits": 8, "created_at": NOW, "origin": Origin.SYNTHETIC}
    for start in range(0, images, CHUNK):
        yield [
            {
                **shape,
                "batch_id": 1,
                "batch_index": number,
                "file_sha256": stored[number % len(stored)][0],
                "pixel_sha256": stored[number % len(stored)][1],
            }
            for number in range(start, min(start + CHUNK, images))
        ]


def bare_loop(root: Path) -> None:
    """Read and hash every file, and nothing else."""
    for path in (root / "store").rglob("*.png"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


def verify(root: Path) -> None:
    """What the command does."""
    project = Project.open(root)
    assert verify_project(project, silent).faults == []
    project.database.dispose()


if __name__ == "__main__":
    main()
