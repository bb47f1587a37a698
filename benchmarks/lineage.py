"""Walk the lineage of a project with many images, and withdraw one subject of it.

    python -m benchmarks.lineage [IMAGES]

Rows only, no files: 4 real images per subject, one batch of as many synthetic ones as a tenth, one snapshot of all.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from curation.lineage.descent import descent_of
from curation.lineage.graph import Ref
from curation.lineage.naming import find_node
from curation.lineage.walk import walk
from curation.project import Project, open_or_make_project
from curation.tables.generation import Batch, Generator, GeneratorPixels, GeneratorSubject
from curation.tables.images import BuildStatus, Image, Import, Origin, Split, Subject
from curation.tables.training import Snapshot, SnapshotItem
from curation.withdrawal.withdraw import withdraw

NOW = datetime(2026, 11, 25, tzinfo=UTC)
CHUNK = 10_000
PER_SUBJECT = 4
SIZE = {"height": 64, "width": 64, "channels": 1, "bits": 8, "created_at": NOW}
SPLITS = [Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.VALIDATION, Split.TEST]


def main(images: int) -> None:
    """Fill a project with rows and time each walk."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        project, _ = open_or_make_project(root)
        timed(f"writing {images:,} real images and {images // 10:,} synthetic ones", lambda: fill(project, images))
        for node in ("snapshot:everything", "generator:g", "import:1", "batch:1", "subject:s1", "image:1"):
            timed(f"rounds lineage {node}", lambda node=node: walked(project, node))  # type: ignore[misc]
        with project.database.read() as session:
            timed("rounds withdraw s1, without --yes", lambda: descent_of(session, root, "s1"))
        timed("rounds withdraw s1 --yes", lambda: withdraw(project, NOW, "s1", ""))
        project.database.dispose()


def walked(project: Project, node: str) -> None:
    """One walk in both directions."""
    with project.database.read() as session:
        start: Ref = find_node(session, node)
        walk(session, start)


def timed(what: str, work: Callable[[], object]) -> None:
    """Print how long it took, by the clock."""
    started = time.perf_counter()
    work()
    print(f"{what}: {time.perf_counter() - started:.2f} s")


def fill(project: Project, images: int) -> None:
    """Rows of an import, a generator that saw its training subjects, a batch, and a snapshot of it all."""
    with project.database.write() as session:
        ready = {"status": BuildStatus.READY, "created_at": NOW}
        session.add(Import(source="b", source_digest="0" * 64, subjects_known=True, report={}, **ready))
        card = {"fitted_on": {"snapshot": "another", "n_images": 0, "n_subjects": 0}}
        session.add(Generator(name="g", directory="generators/g", weights_digest="1" * 64, card=card, created_at=NOW))
        session.flush()
        session.add(Batch(generator_id=1, request={}, request_digest="2" * 64, size=images // 10, **ready))
        empty = {"recipe": {"synthetic": "raw"}, "counts": {}, "reading_ids": [], "digest": "3" * 64}
        session.add(Snapshot(name="everything", directory="snapshots/everything", **empty, **ready))
        session.flush()
        subjects = images // PER_SUBJECT
        known = ({"id": n, "key": f"s{n}", "split": split_of(n), "known": True} for n in count(subjects))
        write(session, Subject, known)
        write(session, Image, (real(number, subjects) for number in count(images)))
        write(session, Image, (synthetic(images + number, number) for number in count(images // 10)))
        write(session, SnapshotItem, (item(number, subjects, images) for number in count(images + images // 10)))
        seen = [n for n in count(subjects) if split_of(n) is Split.TRAIN]
        write(session, GeneratorSubject, ({"generator_id": 1, "subject_key": f"s{n}"} for n in seen))
        pixels = (f"{n:064x}" for n in count(images) if split_of(1 + n % subjects) is Split.TRAIN)
        write(session, GeneratorPixels, ({"generator_id": 1, "pixel_sha256": digest} for digest in pixels))


def count(number: int) -> range:
    """1 to `number`."""
    return range(1, number + 1)


def split_of(subject: int) -> Split:
    """Of five subjects three are for training."""
    return SPLITS[subject % len(SPLITS)]


def real(number: int, subjects: int) -> dict[str, Any]:
    """The row of a real image; subjects take turns."""
    digest = f"{number:064x}"
    of = {"origin": Origin.REAL, "import_id": 1, "subject_id": 1 + number % subjects}
    return {"id": number, **of, "file_sha256": digest, "pixel_sha256": digest, **SIZE}


def synthetic(image_id: int, index: int) -> dict[str, Any]:
    """The row of a synthetic image."""
    digest = f"{image_id:064x}"
    of = {"origin": Origin.SYNTHETIC, "batch_id": 1, "batch_index": index}
    return {"id": image_id, **of, "file_sha256": digest, "pixel_sha256": digest, **SIZE}


def item(number: int, subjects: int, images: int) -> dict[str, Any]:
    """The row of an image in the snapshot."""
    split = split_of(1 + number % subjects) if number <= images else Split.TRAIN
    return {"snapshot_id": 1, "image_id": number, "copy": 0, "split": split, "label": "a", "weight": 1.0, "why": "all"}


def write(session: Session, table: type[Any], rows: Iterator[dict[str, Any]]) -> None:
    """Insert in chunks."""
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            session.execute(insert(table), chunk)
            chunk = []
    if chunk:
        session.execute(insert(table), chunk)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
