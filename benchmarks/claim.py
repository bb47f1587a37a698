"""What a claim and a reading cost as a worklist grows, beside a claim without a cursor.

    python -m benchmarks.claim --sizes 1000 10000 100000 1000000 --read 250000

Every image has two readers' slots, the hard case: one slot of what a reader has read stays open behind the cursor. The
far reader has read a quarter of the list, at most `--read` images, in their own random order, with the readings in the
database. Beside it stands what one writes first: the first open slots of images that this reader has no slot of.
SQLite, processor time, since SQLite works in our process; commits, which wait for the disk, are left out.
"""

import argparse
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import exists, insert, select, update
from sqlalchemy.orm import Session, aliased

from benchmarks.candidate_rows import CHUNK, NOW, add_screened_rows, made_up_pictures
from curation.audit import Chain
from curation.database import Database
from curation.reading.claims import claim
from curation.reading.order import order_of
from curation.reading.recipe import WorklistRecipe, recipe_of
from curation.reading.record import record_reading
from curation.reading.request import ReadingRequest
from curation.tables.people import Reader, ReaderKind, Role
from curation.tables.reading import Assignment, AssignmentState, ReaderCursor, Reading, Verdict, Worklist
from curation.worklists.create import create_worklist

CHAIN = Chain(b"k" * 32)
PICTURES = 4_096  # distinct; the rows of larger lists show them again
REPEATS = 30
AT_ONCE = 4
READ_SHARE = 4  # of so many images the far reader has read one


def add_person(session: Session, name: str) -> int:
    """A reader who never signs in."""
    reader = Reader(name=name, kind=ReaderKind.HUMAN, role=Role.READER, created_at=NOW)
    session.add(reader)
    session.flush()
    return reader.id


def send_ahead(session: Session, worklist_id: int, reader_id: int, slot: int, count: int) -> None:
    """As if the reader had read the first `count` images of their order: slots done, readings there, cursor behind."""
    worklist = session.get_one(Worklist, worklist_id)
    order = order_of(worklist_id, worklist.size, recipe_of(worklist), reader_id)
    for start in range(0, count, CHUNK):
        places = order.places(start, min(CHUNK, count - start))
        read = (
            update(Assignment)
            .where(Assignment.worklist_id == worklist_id, Assignment.slot == slot)
            .where(Assignment.state == AssignmentState.OPEN, Assignment.position.in_(places))
            .values(state=AssignmentState.DONE, reader_id=reader_id)
            .returning(Assignment.id, Assignment.item_id)
            .execution_options(synchronize_session=False)
        )
        common = {"reader_id": reader_id, "verdict": Verdict.ACCEPT, "reasons": [], "read_at": NOW, "created_at": NOW}
        rows = [
            {"op_id": uuid.uuid4().hex, "assignment_id": assignment_id, "item_id": item_id, **common}
            for assignment_id, item_id in session.execute(read).all()
        ]
        session.execute(insert(Reading), rows)
    counted = {"position": count - 1, "handed_out": count, "done": count, "pooled_done": count}
    session.add(ReaderCursor(reader_id=reader_id, worklist_id=worklist_id, controls_done=0, **counted))


def set_order(session: Session, worklist_id: int, order: str) -> None:
    """Have readers walk the list at random or upwards from now on."""
    worklist = session.get_one(Worklist, worklist_id)
    worklist.recipe = {**worklist.recipe, "order": order}


def naive_claim(session: Session, worklist_id: int, reader_id: int) -> list[str]:
    """The first open slots of images that the reader has no slot of."""
    other = aliased(Assignment)
    mine = exists().where(other.item_id == Assignment.item_id, other.reader_id == reader_id)
    free = (
        select(Assignment)
        .where(Assignment.worklist_id == worklist_id, Assignment.state == AssignmentState.OPEN, ~mine)
        .order_by(Assignment.position)
        .limit(2 * AT_ONCE)
    )
    taken: dict[int, Assignment] = {}
    for slot in session.scalars(free):
        if len(taken) < AT_ONCE:
            taken.setdefault(slot.item_id, slot)
    for slot in taken.values():
        slot.state, slot.reader_id, slot.lease_until = AssignmentState.LEASED, reader_id, NOW + timedelta(minutes=10)
    session.flush()
    return [slot.key for slot in taken.values()]


def claim_ms(database: Database, take: Callable[[Session], list[str]]) -> float:
    """Median of claims of new images; what the last one took is done by then."""
    held: list[str] = []
    times = []
    for _ in range(REPEATS):
        with database.write() as session:
            done = update(Assignment).where(Assignment.key.in_(held)).values(state=AssignmentState.DONE)
            session.execute(done)
        with database.write() as session:
            start = time.process_time()
            held = take(session)
            times.append(time.process_time() - start)
        assert len(held) == AT_ONCE
    return float(np.median(times)) * 1e3


def reading_ms(database: Database, worklist_id: int, reader_id: int) -> float:
    """Median of one recorded reading."""
    with database.write() as session:
        held = claim(session, NOW, reader_id, worklist_id, REPEATS)
    times = []
    for item in held:
        request = ReadingRequest.model_validate(
            {"op_id": uuid.uuid4().hex, "assignment_key": item.key, "verdict": "accept", "read_at": NOW}
        )
        with database.write() as session:
            start = time.process_time()
            record_reading(session, CHAIN, NOW, reader_id, request)
            times.append(time.process_time() - start)
    return float(np.median(times)) * 1e3


def measure(directory: Path, size: int, read: int) -> tuple[float, tuple[float, ...]]:
    """Seconds to make the worklist; milliseconds of claims (fresh, far, far upwards, naive) and of a reading."""
    database = Database(f"sqlite:///{directory}/{size}.db")
    database.migrate()
    with database.write() as session:
        add_screened_rows(session, size, made_up_pictures(PICTURES))
        fresh, far, upwards, naive = (add_person(session, name) for name in ("fresh", "far", "upwards", "naive"))
    with database.write() as session:
        start = time.process_time()
        recipe = WorklistRecipe(name="w", readers_per_image=2, rule="majority", order="random")
        worklist_id = create_worklist(session, CHAIN, NOW, recipe).id
        made_s = time.process_time() - start
    with database.write() as session:
        send_ahead(session, worklist_id, far, 0, read)

    def ours(reader_id: int) -> float:
        return claim_ms(
            database, lambda session: [item.key for item in claim(session, NOW, reader_id, worklist_id, AT_ONCE)]
        )

    times = [ours(fresh), ours(far), reading_ms(database, worklist_id, far)]
    with database.write() as session:
        set_order(session, worklist_id, "batch")
        send_ahead(session, worklist_id, upwards, 1, read)
    times.append(ours(upwards))
    with database.write() as session:  # the same past for the naive claim
        session.execute(update(Assignment).where(Assignment.reader_id == upwards).values(reader_id=naive))
    times.append(claim_ms(database, lambda session: naive_claim(session, worklist_id, naive)))
    database.dispose()
    return made_s, tuple(times)


def main() -> None:
    """Print the table, every cost with its ratio to that of the smallest worklist."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--read", type=int, default=250_000, help="at most so many were read by the far reader")
    arguments = parser.parse_args()
    print(f"median of {REPEATS}, claims of {AT_ONCE} images, two readers per image, SQLite, ms of processor time\n")
    print("| images | read by far reader | claim, new reader | claim, far reader | reading, far reader ", end="")
    print("| claim, far, list's order | the same without a cursor | without / with | list made, s |")
    print("|---|---|---|---|---|---|---|---|---|")
    first: tuple[float, ...] | None = None
    with tempfile.TemporaryDirectory() as directory:
        for size in arguments.sizes:
            read = min(size // READ_SHARE, arguments.read)
            made_s, times = measure(Path(directory), size, read)
            first = first or times
            cells = [f"{now:.1f} ({now / then:.1f}x)" for now, then in zip(times, first, strict=True)]
            ratio = times[4] / times[3]
            print(f"| {size:,} | {read:,} | {' | '.join(cells)} | {ratio:.0f}x | {made_s:.1f} |", flush=True)
            (Path(directory) / f"{size}.db").unlink()


if __name__ == "__main__":
    main()
