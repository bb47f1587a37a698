"""Claims lease images to one reader at a time, and send the viewer what it needs."""

import threading
from datetime import timedelta

from sqlalchemy import select

from curation.database import Database
from curation.reading.claims import _rescale
from curation.tables.images import Image
from curation.tables.reading import Assignment
from curation.worklists.create import close_worklist
from tests.curation.reading_room import (
    CHAIN,
    LATER,
    NOON,
    claimed,
    read,
    reading_room,
)


def test_the_rescale_that_the_viewer_gets_is_that_of_the_values_as_they_are_stored() -> None:
    image = Image(rescale_slope=2.0, rescale_intercept=-100.0, signed_offset=32_768)
    slope, intercept = _rescale(image)
    stored = 32_768 + 70
    assert stored * slope + intercept == 70 * 2 - 100


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


def test_a_closed_worklist_gives_nothing_more(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=1, readers=1)
    with database.write() as session:
        close_worklist(session, CHAIN, NOON, "w")
    assert claimed(database, reader, worklist, 1) == []


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


def test_leases_that_ran_out_behind_the_cursor_are_read_by_whoever_comes(database: Database) -> None:
    worklist, (first, second) = reading_room(database, images=10, readers=2)
    given_up = claimed(database, first, worklist, 4)
    for key in claimed(database, second, worklist, 10):
        read(database, second, key)
    assert claimed(database, second, worklist, 10) == []
    assert set(claimed(database, second, worklist, 10, LATER)) == set(given_up)
