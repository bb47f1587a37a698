"""Candidates dealt out give equal shares, kept for their readers and freed when one stops."""

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from curation.database import Database
from curation.errors import BadInput
from curation.reading.claims import claim
from curation.reading.progress import progress_of
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading
from curation.tables.reading import Assignment, WorklistItem
from curation.worklists.create import create_worklist
from curation.worklists.manage import release_leases, set_readers
from curation.worklists.shares import deal_readers
from tests.curation.reading_room import CHAIN, LATER, NOON, add_person, add_screened, verdict

NAMES = ("r0", "r1", "r2", "r3")


@pytest.mark.slow
@given(st.integers(1, 9), st.data())
def test_every_block_gives_everybody_the_same_share(readers: int, data: st.DataObject) -> None:
    per_image = data.draw(st.integers(1, readers))
    blocks = data.draw(st.integers(1, 4))
    everybody = list(range(10, 10 + readers))
    dealt = list(islice(deal_readers(everybody, per_image, seed=data.draw(st.integers(0, 99))), readers * blocks))
    assert all(len(set(readers)) == per_image for readers in dealt)
    assert Counter(reader for readers in dealt for reader in readers) == dict.fromkeys(everybody, per_image * blocks)


def test_everybody_shares_images_with_everybody() -> None:
    together = {tuple(sorted(readers)) for readers in islice(deal_readers([1, 2, 3, 4], 2, seed=0), 100)}
    assert len(together) == 6


def room(database: Database, images: int = 24) -> tuple[int, list[int]]:
    """Four readers, two for each image, shares dealt out."""
    with database.write() as session:
        people = [add_person(session, name) for name in NAMES]
        add_screened(session, images)
        recipe = WorklistRecipe(name="w", readers=NAMES, readers_per_image=2, rule="majority", shares="allotted")
        return create_worklist(session, CHAIN, NOON, recipe).id, people


def items_of(database: Database, worklist_id: int, reader_id: int, count: int = 100) -> list[int]:
    """Claim, and say which items that brought."""
    with database.write() as session:
        keys = [item.key for item in claim(session, NOON, reader_id, worklist_id, count)]
        return list(session.scalars(select(Assignment.item_id).where(Assignment.key.in_(keys))))


def read_all(database: Database, worklist_id: int, reader_id: int) -> int:
    """Accept whatever can be claimed; returns how many images that were."""
    done = 0
    while True:
        with database.write() as session:
            held = claim(session, NOON, reader_id, worklist_id, 7)
            for item in held:
                record_reading(session, CHAIN, NOON, reader_id, verdict(item.key))
            done += len(held)
            if not held:
                return done


@pytest.mark.slow
def test_the_last_reader_finds_a_whole_share(database: Database) -> None:
    worklist_id, people = room(database)
    assert [read_all(database, worklist_id, reader) for reader in people] == [12, 12, 12, 12]
    with database.read() as session:
        assert {progress_of(session, reader, worklist_id).left for reader in people} == {0}


def test_what_is_left_counts_the_own_share(database: Database) -> None:
    worklist_id, people = room(database)
    with database.read() as session:
        assert progress_of(session, people[3], worklist_id).left == 12


def test_a_share_that_waits_is_nobody_elses_even_after_a_lease(database: Database) -> None:
    worklist_id, people = room(database)
    mine = items_of(database, worklist_id, people[0])
    others = [items_of(database, worklist_id, reader) for reader in people[1:]]
    assert [len(mine), *map(len, others)] == [12, 12, 12, 12]
    with database.write() as session:
        again = [item.key for item in claim(session, LATER, people[1], worklist_id, 100)]
        items = session.scalars(select(Assignment.item_id).where(Assignment.key.in_(again)))
        assert sorted(items) == sorted(others[0])


@pytest.mark.slow
def test_images_given_back_stay_with_their_reader_unless_one_is_named(database: Database) -> None:
    worklist_id, people = room(database)
    mine = items_of(database, worklist_id, people[0])
    with database.write() as session:
        assert release_leases(session, CHAIN, NOON, "w") == 12
    assert sorted(items_of(database, worklist_id, people[0])) == sorted(mine)
    with database.write() as session:
        assert release_leases(session, CHAIN, NOON, "w", "r0") == 12
    brought = [read_all(database, worklist_id, reader) for reader in people[1:]]
    assert sum(brought) == 48
    assert items_of(database, worklist_id, people[0]) == []


@pytest.mark.slow
def test_the_share_of_a_reader_who_may_no_longer_read_goes_to_the_others(database: Database) -> None:
    worklist_id, people = room(database)
    with database.write() as session:
        set_readers(session, CHAIN, NOON, "w", NAMES[:3])
    assert sum(read_all(database, worklist_id, reader) for reader in people[:3]) == 48
    with database.read() as session:
        items = session.scalars(select(WorklistItem.id)).all()
    assert len(items) == 24


def test_shares_need_names_and_are_none_in_a_turing_test(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 4)
        with pytest.raises(BadInput, match="name them"):
            create_worklist(session, CHAIN, NOON, WorklistRecipe(name="w", shares="allotted"))
        add_person(session, "r0")
        recipe = WorklistRecipe(name="w", shares="allotted", kind="turing", real_controls=1, readers=("r0",))
        with pytest.raises(BadInput, match="everybody reads every image"):
            create_worklist(session, CHAIN, NOON, recipe)
