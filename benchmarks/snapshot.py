"""How long a snapshot takes to preview, build and verify, and how much memory, as it grows.

python -m benchmarks.snapshot [--sizes 10000 100000 1000000] [--pictures 4000]

Half the images are real, each of a subject of its own (80 % training, 10 % validation, 10 % test), half synthetic, each
read once by a person; four of five are accepted. A few thousand different 64 px pictures stand for all of them, so that
the disk holds it: rows, readings, hard links and verified files are as many as the size says. Each step runs in a
process of its own, whose peak resident memory is the figure; processor time says more than the clock on a busy
machine. `start` opens the project and does no more.
"""

import argparse
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.own_process import run_apart
from curation.image_store import pixel_sha256
from curation.progress import silent
from curation.project import Project, open_or_make_project
from curation.snapshots.build import build_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.snapshots.mix import MixRecipe
from curation.snapshots.preview import preview_snapshot
from curation.tables.images import Label
from curation.tables.people import Reader, ReaderKind, Role
from curation.verification.snapshot_folders import verify_folder

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
STAMP = NOW.strftime("%Y-%m-%d %H:%M:%S.%f")
CLASSES = ("a", "b", "c")
SPLITS = ("train",) * 8 + ("validation", "test")
RECIPE = MixRecipe(max_ratio=1.0, weights={"origins": {"synthetic": 0.5}})


def main() -> None:
    """Print a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--pictures", type=int, default=4_000)
    options = parser.parse_args()
    print("| images of the project | images taken | step | seconds | of the processor | peak memory, MiB |")
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch) / "project"
            fill(root, size, options.pictures)
            for step in STEPS:
                print_row(root, size, step)


def print_row(root: Path, size: int, step: str) -> None:
    """Run one step in a process of its own."""
    cost = run_apart(STEPS[step], root)
    taken = "-"
    if (root / "snapshots" / "one" / "snapshot.json").is_file():
        counts = SnapshotFolder.open(root / "snapshots" / "one").manifest["counts"]
        taken = f"{sum(sum(by_label.values()) for by_label in counts.values()):,}"
    print(
        f"| {size:,} | {taken} | {step} | {cost.wall_s:.1f} | {cost.cpu_s:.1f} | {cost.peak_mib:.0f} |",
        flush=True,
    )


def open_database(root: Path) -> None:
    """Open the project and its database, and do no more."""
    with Project.open(root).database.read() as session:
        session.connection()


def preview(root: Path) -> None:
    """Say what would be built."""
    with Project.open(root).database.read() as session:
        preview_snapshot(session, RECIPE)


def build(root: Path) -> None:
    """Choose, write and freeze."""
    build_snapshot(Project.open(root), "one", RECIPE, NOW, silent)


def verify(root: Path) -> None:
    """Hold every row and every file against its digests."""
    assert verify_folder(SnapshotFolder.open(root / "snapshots" / "one"), silent) == []


STEPS = {"start": open_database, "preview": preview, "build": build, "verify": verify}


def fill(root: Path, size: int, pictures: int) -> None:
    """A project of `size` images, written past the object layer: this is not what is measured."""
    project, _ = open_or_make_project(root)
    random = np.random.default_rng(0)
    digests = []
    for _ in range(pictures):
        pixels = random.integers(0, 256, (64, 64, 1), dtype=np.uint8)
        digests.append((project.store.put_pixels(pixels), pixel_sha256(pixels)))
    with project.database.write() as session:
        session.add_all(Label(name=name) for name in CLASSES)
        session.add(
            Reader(name="one", kind=ReaderKind.HUMAN, role=Role.READER, active=True, failed_sign_ins=0, created_at=NOW)
        )
    project.database.dispose()
    database = sqlite3.connect(root / "rounds.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=OFF", "foreign_keys=OFF"):
        database.execute(f"PRAGMA {pragma}")
    half = size // 2
    insert(database, "imports", [_import()])
    insert(database, "generators", [_generator()])
    insert(database, "generator_pixels", [{"generator_id": 1, "pixel_sha256": "0" * 64}])
    insert(database, "batches", [_batch(half)])
    insert(database, "worklists", [_worklist(half)])
    insert(
        database, "subjects", ({"id": n + 1, "key": f"s{n}", "split": SPLITS[n % 10], "known": 1} for n in range(half))
    )
    insert(database, "images", (_image(n, half, *digests[n % pictures]) for n in range(size)))
    insert(
        database,
        "image_labels",
        (
            {"image_id": n + 1, "label_id": n % 3 + 1, "source": "import" if n < half else "request", "value": 1.0}
            for n in range(size)
        ),
    )
    insert(database, "worklist_items", (_item(n, half) for n in range(half)))
    insert(database, "assignments", (_assignment(n) for n in range(half)))
    insert(database, "readings", (_reading(n) for n in range(half)))
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def insert(database: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    """Write the rows of one table in transactions of 100,000."""
    iterator: Iterator[dict[str, Any]] = iter(rows)
    while chunk := list(islice(iterator, 100_000)):
        names = ", ".join(chunk[0])
        marks = ", ".join(f":{name}" for name in chunk[0])
        database.execute("BEGIN")
        database.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", chunk)
        database.execute("COMMIT")


def _import() -> dict[str, Any]:
    return {"id": 1, "source": "benchmark", "source_digest": "0" * 64, "status": "ready", "subjects_known": 1,
            "report": "{}", "created_at": STAMP}  # fmt: skip


def _generator() -> dict[str, Any]:
    return {"id": 1, "name": "gen", "directory": "generators/gen", "weights_digest": "1" * 64, "card": "{}",
            "created_at": STAMP}  # fmt: skip


def _batch(size: int) -> dict[str, Any]:
    return {"id": 1, "generator_id": 1, "request": "{}", "request_digest": "2" * 64, "size": size, "status": "ready",
            "created_at": STAMP}  # fmt: skip


def _worklist(size: int) -> dict[str, Any]:
    return {"id": 1, "name": "all", "kind": "verdict", "status": "ready", "question": "?", "label_shown": 1,
            "readers_per_image": 1, "rule": '{"kind": "single", "readers": 1}', "classes": "[]", "reasons": "[]",
            "recipe": "{}", "size": size, "controls": 0, "created_at": STAMP}  # fmt: skip


def _image(n: int, half: int, file: str, pixel: str) -> dict[str, Any]:
    real = n < half
    return {
        "id": n + 1, "origin": "real" if real else "synthetic", "import_id": 1 if real else None,
        "subject_id": n + 1 if real else None, "batch_id": None if real else 1,
        "batch_index": None if real else n - half, "file_sha256": file, "pixel_sha256": pixel, "height": 64,
        "width": 64, "channels": 1, "bits": 8, "rescale_slope": 1.0, "rescale_intercept": 0.0, "signed_offset": 0,
        "created_at": STAMP,
    }  # fmt: skip


def _item(n: int, half: int) -> dict[str, Any]:
    return {"id": n + 1, "worklist_id": 1, "image_id": half + n + 1, "purpose": "candidate", "position": n,
            "priority": 0.0}  # fmt: skip


def _assignment(n: int) -> dict[str, Any]:
    return {"id": n + 1, "key": f"{n:032x}", "worklist_id": 1, "item_id": n + 1, "slot": 0, "purpose": "first",
            "position": n, "state": "done", "reader_id": 1}  # fmt: skip


def _reading(n: int) -> dict[str, Any]:
    return {"id": n + 1, "op_id": f"{n:032x}", "assignment_id": n + 1, "item_id": n + 1, "reader_id": 1,
            "verdict": "reject" if n % 5 == 4 else "accept", "reasons": "[]", "mode": "single", "after_reveal": 0,
            "read_at": STAMP, "created_at": STAMP}  # fmt: skip


if __name__ == "__main__":
    main()
