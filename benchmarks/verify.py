"""What `rounds verify` costs as a project grows, beside a loop that reads and hashes the files.

python -m benchmarks.verify [--sizes 1000,10000] [--rows 100000] [--readings 100000] [--directory DIRECTORY]

Each size is a project of its own with so many different files; `--rows` is one with so many images that share 64 files,
which shows what rows cost; `--readings` is one in which one reader has read so many images, and `rows against events`
the part that holds readings and their events against each other. Peak memory is that of a process of its own, less what
it needs before it begins.
"""

import argparse
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from benchmarks.candidate_rows import make_project
from benchmarks.own_process import run_apart
from curation.audit import MEMBERS, Chain
from curation.image_store import encode_png, file_name, pixel_sha256
from curation.progress import silent
from curation.project import Project, open_or_make_project
from curation.reading.outcomes import recompute_outcomes
from curation.tables.content import CONTENT, reading_values
from curation.tables.generation import Batch, Generator, Screening
from curation.tables.images import BuildStatus, Image, Origin
from curation.tables.operations import Event, EventHead
from curation.tables.reading import Assignment, AssignmentState, ReaderCursor, Reading, Verdict
from curation.verification.recorded import recorded_faults
from curation.verification.verify import verify_project

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CHUNK = 10_000
SHARED = 64


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--readings", type=int, default=100_000)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        for size in map(int, filter(None, options.sizes.split(","))):
            measure(Path(scratch) / f"files-{size}", images=size, files=size)
        if options.rows:
            measure(Path(scratch) / f"rows-{options.rows}", images=options.rows, files=SHARED)
        if options.readings:
            measure_readings(Path(scratch) / f"readings-{options.readings}", options.readings)


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
    record_beside_commands(project, (Batch, "batch.requested"))
    project.database.dispose()


def measure_readings(root: Path, readings: int) -> None:
    """Make a project that was read, then time the whole of verify and the part that holds rows against events."""
    read_all(make_project(root, readings, ["ada"]))
    for what, work in (("verify", verify), ("rows against events", rows_against_events)):
        cost = run_apart(work, root)
        memory = f"{cost.peak_mib - cost.before_mib:.0f} MiB above the start"
        print(
            f"{readings} readings, {what}: {cost.wall_s:.1f} s, {cost.cpu_s:.1f} s of the processor, {memory} "
            f"(load {os.getloadavg()[0]:.0f})",
            flush=True,
        )


def read_all(project: Project) -> None:
    """One reader accepts every image; rows in bulk, each with the event that a verdict has."""
    with project.database.write() as session:
        session.get_one(Generator, 1).directory = "shipped"  # there are rows only
        done = {"reader_id": 1, "state": AssignmentState.DONE}
        session.execute(update(Assignment).values(**done).execution_options(synchronize_session=False))
        count = session.scalar(select(func.count(Assignment.id))) or 0
        session.add(
            ReaderCursor(reader_id=1, worklist_id=1, position=0, done=count, pooled_done=count, controls_done=0)
        )
    last = 0
    while assignments := _next_assignments(project, last):
        with project.database.write() as session:
            record_readings(session, project.chain, assignments)
        last = assignments[-1].id
    with project.database.write() as session:
        recompute_outcomes(session, 1)
    record_beside_commands(project, (Batch, "batch.requested"), (Screening, "batch.screened"))
    project.database.dispose()


def _next_assignments(project: Project, last: int) -> Sequence[Assignment]:
    with project.database.read() as session:
        chunk = select(Assignment).where(Assignment.id > last).order_by(Assignment.id).limit(CHUNK)
        return session.scalars(chunk).all()


def record_readings(session: Session, chain: Chain, assignments: Sequence[Assignment]) -> None:
    """Insert a reading of each with its event, in bulk; its number is that of the assignment."""
    head = session.scalars(select(EventHead)).one()
    readings, events = [], []
    for assignment in assignments:
        reading = accepted(assignment)
        content = chain.digest(reading_values(reading, assignment))
        payload = {"reading": reading.id, CONTENT: content}
        head.count += 1
        head.hmac = chain._link(head.hmac, head.count, NOW, "reading.recorded", payload)
        events.append(
            {"sequence": head.count, "at": NOW, "kind": "reading.recorded", "payload": payload, "hmac": head.hmac}
        )
        readings.append({column.key: getattr(reading, column.key) for column in Reading.__table__.columns})
    session.execute(insert(Reading), readings)
    session.execute(insert(Event), events)


def accepted(assignment: Assignment) -> Reading:
    """A reading as the page makes it."""
    of_assignment = {"id": assignment.id, "assignment_id": assignment.id, "item_id": assignment.item_id}
    row = {**of_assignment, "reader_id": 1, "verdict": Verdict.ACCEPT, "after_reveal": False}
    times = {"elapsed_ms": 900, "idle_ms": 0, "read_at": NOW, "created_at": NOW}
    return Reading(op_id=f"{assignment.id:032x}", reasons=[], mode="single", **row, **times)


def record_beside_commands(project: Project, *parents: tuple[Any, str]) -> None:
    """Record the rows that were inserted in bulk."""
    with project.database.write() as session:
        project.chain.record_row(session, "generator.added", session.get_one(Generator, 1), {}, NOW)
        for model, kind in parents:
            payload = {MEMBERS: project.chain.members(session, model, 1)}
            project.chain.record_row(session, kind, session.get_one(model, 1), payload, NOW)


def rows_against_events(root: Path) -> None:
    """The part of verify that the chain of events makes possible."""
    project = Project.open(root)
    with project.database.read() as session:
        assert list(recorded_faults(session, project.chain, Counter())) == []
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
