"""Reading: nothing lost, nothing doubled, on both databases, whatever happens at the same time."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select

from curation.database import Database
from curation.errors import BadInput, Conflict, NotFound
from curation.reading.claims import claim
from curation.reading.progress import progress_of
from curation.reading.proxy_slots import open_proxy_slots
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import new_op_id, record_reading, void_reading
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Assignment, Reading, Verdict
from curation.worklists.create import close_worklist, create_worklist
from tests.curation.reading_room import CHAIN, LATER, NOON, add_person, reading_room, verdict
from tests.soak_record import record_soak

SOAK = os.environ.get("ROUNDS_SOAK") == "1"  # `make soak`: the full count of the design


def claimed(database: Database, reader: int, worklist: int, count: int, now: datetime = NOON) -> list[str]:
    with database.write() as session:
        return [item.key for item in claim(session, now, reader, worklist, count)]


def read(database: Database, reader: int, key: str, **fields: object) -> bool:
    with database.write() as session:
        return record_reading(session, CHAIN, NOON, reader, verdict(key, **fields)).repeated


def count_readings(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Reading)) or 0


def test_two_readers_never_hold_one_slot(database: Database) -> None:
    worklist, (first, second) = reading_room(database, images=10, readers=2)
    held, others = claimed(database, first, worklist, 6), claimed(database, second, worklist, 6)
    assert len(held) == 6
    assert len(others) == 4
    assert not set(held) & set(others)


def test_a_reload_takes_up_the_readers_own_leases(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=10, readers=1)
    held = claimed(database, reader, worklist, 4)
    assert claimed(database, reader, worklist, 6)[:4] == held


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
    read(database, reader, key, op_id=op_id, said=Verdict.REJECT)
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


def test_reasons_and_classes_outside_the_worklist_are_refused(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=1, readers=1)
    key = claimed(database, reader, worklist, 1)[0]
    with pytest.raises(BadInput, match="reasons"):
        read(database, reader, key, reasons=("ugly",))
    with pytest.raises(BadInput, match="class"):
        read(database, reader, key, corrected_label="c")
    read(database, reader, key, reasons=("anatomy", "blur"), corrected_label="b", said=Verdict.REJECT)


def test_a_closed_worklist_gives_nothing_more(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=1, readers=1)
    with database.write() as session:
        close_worklist(session, CHAIN, NOON, "w")
    assert claimed(database, reader, worklist, 1) == []


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
    images, readers = (2_000 if SOAK else 150), 10
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


def test_two_pages_of_one_reader_never_hold_two_slots_of_one_item(database: Database) -> None:
    worklist, (reader, _) = reading_room(database, images=12, readers=2, readers_per_image=2)
    threads = [threading.Thread(target=claimed, args=(database, reader, worklist, 4 * n)) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        items = session.scalars(select(Assignment.item_id).where(Assignment.reader_id == reader)).all()
    assert len(items) == len(set(items)) == 12


def test_leases_are_renewed_by_the_next_claim(database: Database) -> None:
    worklist, (first, second) = reading_room(database, images=2, readers=2)
    held = claimed(database, first, worklist, 2)
    assert claimed(database, first, worklist, 2, NOON + timedelta(minutes=9)) == held
    assert claimed(database, second, worklist, 2, NOON + timedelta(minutes=15)) == []


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


def test_leases_that_ran_out_behind_the_cursor_are_read_by_whoever_comes(database: Database) -> None:
    worklist, (first, second) = reading_room(database, images=10, readers=2)
    given_up = claimed(database, first, worklist, 4)
    for key in claimed(database, second, worklist, 10):
        read(database, second, key)
    assert claimed(database, second, worklist, 10) == []
    assert set(claimed(database, second, worklist, 10, LATER)) == set(given_up)


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


BOX = {"kind": "box", "x": 1.5, "y": 2, "width": 3, "height": 4}


def test_a_mark_ratings_a_comment_and_times_are_kept_as_given(database: Database) -> None:
    recipe = {"name": "rated", "ratings": True, "again": True}
    worklist, (reader,) = reading_room(database, images=1, readers=1)
    with database.write() as session:
        worklist = create_worklist(session, CHAIN, NOON, WorklistRecipe.model_validate(recipe)).id
    (key,) = claimed(database, reader, worklist, 1)
    ratings = {"anatomy": 4, "quality": 1}
    read(database, reader, key, mark=BOX, ratings=ratings, comment="ring is open", elapsed_ms=900, idle_ms=61_000)
    with database.read() as session:
        row = session.scalars(select(Reading)).one()
    assert (row.mark, row.ratings, row.comment) == (BOX, ratings, "ring is open")
    assert (row.elapsed_ms, row.idle_ms, row.after_reveal, row.page_id) == (900, 61_000, False, None)


@pytest.mark.parametrize(
    "mark",
    [{"kind": "point", "x": 9, "y": 0}, {**BOX, "x": 6}, {"kind": "point", "x": 0, "y": 8.1}],
)
def test_a_mark_outside_the_image_is_refused(database: Database, mark: dict[str, object]) -> None:
    worklist, (reader,) = reading_room(database, images=1, readers=1)
    (key,) = claimed(database, reader, worklist, 1)
    with pytest.raises(BadInput, match="inside 8 x 8"):
        read(database, reader, key, mark=mark)
    with pytest.raises(BadInput, match="no ratings"):
        read(database, reader, key, ratings={"anatomy": 3})
    assert count_readings(database) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"mark": {"kind": "box", "x": 1, "y": 1}},
        {"mark": {"kind": "point", "x": 1, "y": 1, "width": 2, "height": 2}},
        {"mark": {"kind": "point", "x": float("nan"), "y": 1}},
        {"ratings": {"beauty": 3}},
        {"ratings": {"anatomy": 6}},
        {"confidence": 7},
        {"page_id": "x"},
    ],
)
def test_what_no_worklist_admits_does_not_fit_the_form(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        verdict("0" * 32, **fields)


def test_label_blind_an_accept_says_which_class(database: Database) -> None:
    _, (reader,) = reading_room(database, images=1, readers=1)
    with database.write() as session:
        recipe = WorklistRecipe(name="blind", label_shown=False, again=True)
        worklist = create_worklist(session, CHAIN, NOON, recipe).id
    (key,) = claimed(database, reader, worklist, 1)
    with pytest.raises(BadInput, match="expected a class with an accept"):
        read(database, reader, key)
    read(database, reader, key, corrected_label="a")
    assert count_readings(database) == 1
