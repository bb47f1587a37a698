"""What a claim and a reading cost as a worklist grows and a reader gets far into it, beside a claim without a cursor.

Processor time, since SQLite works in our process and other work on the machine hardly changes it; commits, which wait
for the disk, are left out.

python benchmarks/claim.py [ITEMS ...]    default 1000 10000 100000; 1000000 takes some minutes
"""

import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.claims import claim
from curation.database import Database
from curation.models.generation import Batch, Generator, ScreenedImage, Screening, ScreeningVerdict
from curation.models.images import BuildStatus, Image, ImageLabel, Label, Origin
from curation.models.people import Reader, ReaderKind, Role
from curation.models.reading import Assignment, AssignmentState, ReaderCursor
from curation.readings import ReadingRequest, record_reading
from curation.worklists import WorklistRecipe, create_worklist

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CHAIN = Chain(b"k" * 32)
CHUNK = 10_000
READERS_PER_IMAGE = 2  # the hard case: slots of images that a reader has read stay open behind the cursor
REPEATS = 40
PREFETCH = 4


def add_screened(session: Session, count: int) -> None:
    """A finished, screened batch of `count` candidates, rows only."""
    ready = {"status": BuildStatus.READY, "created_at": NOW}
    generator = Generator(name="g", directory="g", weights_digest="0" * 64, card={}, created_at=NOW)
    label = Label(name="a")
    session.add_all([generator, label])
    session.flush()
    batch = Batch(generator_id=generator.id, request={}, request_digest="1" * 64, size=count, **ready)
    session.add(batch)
    session.flush()
    screening = Screening(batch_id=batch.id, parameters={}, parameters_digest="2" * 64, **ready)
    session.add(screening)
    session.flush()
    shape = {"height": 64, "width": 64, "channels": 1, "bits": 8, "created_at": NOW}
    for start in range(0, count, CHUNK):
        numbers = range(start + 1, min(start + CHUNK, count) + 1)
        digests = [f"{number:064d}" for number in numbers]
        source = {"origin": Origin.SYNTHETIC, "batch_id": batch.id, **shape}
        session.execute(
            insert(Image),
            [
                {"id": number, "batch_index": number, "file_sha256": digest, "pixel_sha256": digest, **source}
                for number, digest in zip(numbers, digests, strict=True)
            ],
        )
        asked = {"label_id": label.id, "source": "request", "value": 1.0}
        session.execute(insert(ImageLabel), [{"image_id": number, **asked} for number in numbers])
        passed = {"screening_id": screening.id, "verdict": ScreeningVerdict.PASS, "neighbours": []}
        session.execute(insert(ScreenedImage), [{"image_id": number, **passed} for number in numbers])


def add_person(session: Session, name: str) -> int:
    """A reader who never signs in."""
    reader = Reader(name=name, kind=ReaderKind.HUMAN, role=Role.READER, created_at=NOW)
    session.add(reader)
    session.flush()
    return reader.id


def send_far_ahead(session: Session, worklist_id: int, reader_id: int, share: float, size: int) -> None:
    """As if the reader had read `share` of the worklist, alone: one slot of each image is done, the other open."""
    last = int(size * share) - 1
    session.execute(
        update(Assignment)
        .where(Assignment.worklist_id == worklist_id, Assignment.slot == 0, Assignment.position <= last)
        .values(state=AssignmentState.DONE, reader_id=reader_id)
    )
    session.add(ReaderCursor(reader_id=reader_id, worklist_id=worklist_id, position=last, done=last + 1))


def milliseconds(database: Database, act: Callable[[Session, int], object]) -> float:
    """Median time of an action inside its transaction."""
    times = []
    for number in range(REPEATS):
        with database.write() as session:
            start = time.process_time()
            act(session, number)
            times.append(time.process_time() - start)
    return float(np.median(times)) * 1e3


def claim_ms(database: Database, worklist_id: int, reader_id: int, forget_cursor: bool = False) -> float:
    """A claim of PREFETCH new images; with `forget_cursor` the way it would be without one."""
    held: list[str] = []

    def act(session: Session, number: int) -> None:
        held.extend(item.key for item in claim(session, NOW, reader_id, worklist_id, PREFETCH))

    def before(session: Session) -> None:
        # What was claimed is done, so that the next claim finds new images and not its own leases.
        done = update(Assignment).where(Assignment.key.in_(held)).values(state=AssignmentState.DONE)
        session.execute(done)
        held.clear()
        if forget_cursor:
            session.execute(update(ReaderCursor).where(ReaderCursor.reader_id == reader_id).values(position=-1))

    times = []
    for number in range(REPEATS):
        with database.write() as session:
            before(session)
        with database.write() as session:
            start = time.process_time()
            act(session, number)
            times.append(time.process_time() - start)
        assert len(held) == PREFETCH
    return float(np.median(times)) * 1e3


def reading_ms(database: Database, worklist_id: int, reader_id: int) -> float:
    """One recorded reading."""
    with database.write() as session:
        held = claim(session, NOW, reader_id, worklist_id, REPEATS)

    def act(session: Session, number: int) -> None:
        request = ReadingRequest.model_validate(
            {
                "op_id": uuid.uuid4().hex,
                "assignment_key": held[number].key,
                "verdict": "accept",
                "read_at": NOW,
            }
        )
        record_reading(session, CHAIN, NOW, reader_id, request)

    return milliseconds(database, act)


def measure(directory: Path, size: int) -> tuple[float, float, float, float, float]:
    """Seconds to make a worklist of `size`; claim (fresh, far, far without cursor) and reading in milliseconds."""
    database = Database(f"sqlite:///{directory}/{size}.db")
    database.migrate()
    recipe = WorklistRecipe(name="w", readers_per_image=READERS_PER_IMAGE, rule="majority")
    with database.write() as session:
        add_screened(session, size)
        fresh, far = add_person(session, "fresh"), add_person(session, "far")
    with database.write() as session:
        start = time.process_time()
        worklist_id = create_worklist(session, CHAIN, NOW, recipe).id
        made_s = time.process_time() - start
    with database.write() as session:
        send_far_ahead(session, worklist_id, far, 0.5, size)
    times = (
        made_s,
        claim_ms(database, worklist_id, fresh),
        claim_ms(database, worklist_id, far),
        claim_ms(database, worklist_id, far, forget_cursor=True),
        reading_ms(database, worklist_id, fresh),
    )
    with database.read() as session:
        assert session.scalars(select(ReaderCursor.position).where(ReaderCursor.reader_id == fresh)).one() >= 0
    database.dispose()
    return times


def main() -> None:
    """Print the table, and every cost as a ratio to that of the smallest worklist."""
    sizes = [int(given) for given in sys.argv[1:]] or [1_000, 10_000, 100_000]
    print(
        f"median of {REPEATS}; claims of {PREFETCH} images, {READERS_PER_IMAGE} readers per image, SQLite; processor ms"
    )
    print("images     made s   claim, fresh   claim, half read   the same without cursor   reading")
    first: tuple[float, ...] | None = None
    with tempfile.TemporaryDirectory() as directory:
        for size in sizes:
            made_s, *times = measure(Path(directory), size)
            first = first or tuple(times)
            shown = [f"{now:.2f} ({now / then:.1f}x)" for now, then in zip(times, first, strict=True)]
            print(f"{size:<9} {made_s:>7.1f} {shown[0]:>14} {shown[1]:>18} {shown[2]:>25} {shown[3]:>9}", flush=True)


if __name__ == "__main__":
    main()
