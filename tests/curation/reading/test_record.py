"""Recording verdicts loses and doubles nothing on either database, whatever happens at once."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from curation.database import Database
from curation.errors import Conflict, NotFound
from curation.reading.progress import progress_of
from curation.reading.proxy_slots import open_proxy_slots
from curation.reading.record import record_reading, void_reading
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Reading, Verdict
from curation.worklists.create import close_worklist
from tests.curation.reading_room import (
    CHAIN,
    LATER,
    NOON,
    add_person,
    claimed,
    count_readings,
    read,
    reading_room,
    verdict,
)
from tests.operation_ids import new_op_id
from tests.soak_record import record_soak

SOAK = os.environ.get("ROUNDS_SOAK") == "1"  # `make soak`: the full count of the design


def test_an_expired_lease_is_taken_over_and_the_late_verdict_is_refused(database: Database) -> None:
    worklist, (first, second) = reading_room(database, images=3, readers=2)
    held = claimed(database, first, worklist, 3)
    assert claimed(database, second, worklist, 3) == []
    assert set(claimed(database, second, worklist, 3, LATER)) == set(held)
    with pytest.raises(Conflict, match="another reader"):
        read(database, first, held[0])
    assert count_readings(database) == 0


def test_an_expired_lease_that_nobody_took_is_still_honoured(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=1, readers=1)
    (key,) = claimed(database, reader, worklist, 1)
    with database.write() as session:
        record_reading(session, CHAIN, LATER, reader, verdict(key))
    assert count_readings(database) == 1


def test_the_same_operation_again_adds_nothing(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=2, readers=1)
    key = claimed(database, reader, worklist, 1)[0]
    op_id = new_op_id()
    assert [read(database, reader, key, op_id=op_id) for _ in range(3)] == [False, True, True]
    assert count_readings(database) == 1
    with pytest.raises(Conflict, match="already"):
        read(database, reader, key)


def test_undo_gives_the_image_back_and_counts_again(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=2, readers=1)
    key = claimed(database, reader, worklist, 1)[0]
    op_id, undo_id = new_op_id(), new_op_id()
    read(database, reader, key, op_id=op_id, answer=Verdict.REJECT)
    for _ in range(2):
        with database.write() as session:
            void_reading(session, CHAIN, NOON, reader, undo_id, op_id)
    with database.read() as session:
        assert progress_of(session, reader, worklist).done == 0
    assert claimed(database, reader, worklist, 1) == [key]
    read(database, reader, key)
    with database.read() as session:
        assert progress_of(session, reader, worklist).done == 1
    assert count_readings(database) == 3
    with pytest.raises(Conflict, match="already"), database.write() as session:
        void_reading(session, CHAIN, NOON, reader, new_op_id(), op_id)


def test_nobody_undoes_or_reads_for_another(database: Database) -> None:
    worklist, (first, second) = reading_room(database, images=2, readers=2)
    key = claimed(database, first, worklist, 1)[0]
    with pytest.raises(Conflict):
        read(database, second, key)
    op_id = new_op_id()
    read(database, first, key, op_id=op_id)
    with pytest.raises(NotFound), database.write() as session:
        void_reading(session, CHAIN, NOON, second, new_op_id(), op_id)
    with pytest.raises(NotFound):
        read(database, first, "0" * 32)


def test_a_proxy_reads_every_image_and_takes_none_from_people(database: Database) -> None:
    worklist, (person,) = reading_room(database, images=5, readers=1)
    with database.write() as session:
        proxy = session.get_one(Reader, add_person(session, "p", ReaderKind.PROXY))
        assert open_proxy_slots(session, proxy, worklist) == 5
        assert open_proxy_slots(session, proxy, worklist) == 0
    keys = claimed(database, proxy.id, worklist, 10)
    assert len(keys) == 5
    for key in keys:
        read(database, proxy.id, key)
    assert claimed(database, proxy.id, worklist, 10) == []
    assert len(claimed(database, person, worklist, 10)) == 5
    with database.read() as session:
        assert progress_of(session, person, worklist).left == 5


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("readers_per_image", [1, 2])
def test_ten_readers_at_once_lose_and_double_nothing(database: Database, readers_per_image: int) -> None:
    images, readers = (2_000 if SOAK else 60), 10
    worklist, people = reading_room(database, images, readers, readers_per_image)
    failures: list[BaseException] = []

    def work(reader: int) -> None:
        try:
            while keys := claimed(database, reader, worklist, 4):
                for key in keys:
                    read(database, reader, key)
        except BaseException as error:
            failures.append(error)

    started = time.monotonic()
    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A reader who found every free slot locked by others stops early; whoever comes next reads what was left.
    for person in people:
        work(person)
    assert failures == []
    with database.read() as session:
        rows = session.execute(select(Reading.item_id, Reading.reader_id)).all()
        assert CHAIN.verify(session, Path("no-anchors")).faults == []
        dones = [progress_of(session, person, worklist).done for person in people]
    if SOAK:
        each = Counter(tuple(row) for row in rows)
        counts = f"{readers} readers, {images:,} images, {readers_per_image} readers each"
        missing, doubled = images * readers_per_image - len(each), len(rows) - len(each)
        what = f"claims and readings in threads, {database.engine.dialect.name}"
        record_soak(what, counts, "nothing", len(rows), missing, doubled, time.monotonic() - started)
    assert len(rows) == images * readers_per_image
    assert len({tuple(row) for row in rows}) == len(rows)
    assert set(Counter(item for item, _ in rows).values()) == {readers_per_image}
    assert sum(dones) == len(rows)


def test_one_operation_sent_by_four_threads_is_one_reading(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=1, readers=1)
    key = claimed(database, reader, worklist, 1)[0]
    op_id = new_op_id()
    repeated: list[bool] = []
    threads = [
        threading.Thread(target=lambda: repeated.append(read(database, reader, key, op_id=op_id))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(repeated) == [False, True, True, True]
    assert count_readings(database) == 1


@pytest.mark.slow
def test_one_reader_claims_reads_and_undoes_at_once_without_a_deadlock(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=40, readers=1)
    held = claimed(database, reader, worklist, 24)
    failures: list[BaseException] = []

    def guarded(act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as error:
            failures.append(error)

    def prefetch() -> None:
        for _ in range(15):
            claimed(database, reader, worklist, 24)

    def read_and_undo(keys: list[str]) -> None:
        for key in keys:
            op_id = new_op_id()
            read(database, reader, key, op_id=op_id)
            with database.write() as session:
                void_reading(session, CHAIN, NOON, reader, new_op_id(), op_id)
            read(database, reader, key)

    acts = [prefetch, partial(read_and_undo, held[:12]), partial(read_and_undo, held[12:])]
    threads = [threading.Thread(target=guarded, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as session:
        assert progress_of(session, reader, worklist).done == 24
    assert count_readings(database) == 72


@pytest.mark.slow
def test_a_reading_of_a_closed_worklist_stands_and_one_in_flight_is_kept(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=2, readers=1)
    first, in_flight = claimed(database, reader, worklist, 2)
    op_id = new_op_id()
    read(database, reader, first, op_id=op_id)
    with database.write() as session:
        close_worklist(session, CHAIN, NOON, "w")
    assert read(database, reader, in_flight) is False
    with pytest.raises(Conflict, match="closed"), database.write() as session:
        void_reading(session, CHAIN, NOON, reader, new_op_id(), op_id)
