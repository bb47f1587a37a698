"""A verdict fits its form, and its worklist."""

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from curation.database import Database
from curation.errors import BadInput
from curation.reading.recipe import WorklistRecipe
from curation.tables.reading import Reading, Verdict
from curation.worklists.create import create_worklist
from tests.curation.reading_room import CHAIN, NOON, claimed, count_readings, read, reading_room, verdict


def test_reasons_and_classes_outside_the_worklist_are_refused(database: Database) -> None:
    worklist, (reader,) = reading_room(database, images=1, readers=1)
    key = claimed(database, reader, worklist, 1)[0]
    with pytest.raises(BadInput, match="reasons"):
        read(database, reader, key, reasons=("ugly",))
    with pytest.raises(BadInput, match="class"):
        read(database, reader, key, corrected_label="c")
    read(database, reader, key, reasons=("anatomy", "blur"), corrected_label="b", answer=Verdict.REJECT)


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
