"""Planting defects: images of their own, made from held-out images, found again instead of doubled."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import aliased

from curation.alterations.replay import PIXEL_DEFECTS, replay
from curation.database import Database
from curation.errors import BadInput
from curation.image_store import ImageStore, pixel_sha256
from curation.progress import silent
from curation.project import Project
from curation.reading.recipe import WorklistRecipe
from curation.tables.images import BuildStatus, Image, ImageLabel, Import, Label, Origin, Split, Subject
from curation.worklists.create import create_worklist
from curation.worklists.limits import limits_of
from curation.worklists.plant import plant_defects, plant_for_worklist
from tests.curation.reading_room import CHAIN, NOON
from tests.worlds.study_room import add_study, likeness


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    """An empty image store."""
    made = ImageStore(str(tmp_path / "images"))
    made.prepare()
    return made


def plant(
    database: Database, store: ImageStore, count: int, split: Split = Split.VALIDATION, seed: int = 0
) -> list[int]:
    return plant_defects(
        database, store, CHAIN, NOON, split=split, count=count, seed=seed, like=likeness(database), report=silent
    )


@pytest.mark.slow
def test_a_planted_defect_is_its_original_damaged_as_the_row_says(study_room: Project) -> None:
    database, store = study_room.database, study_room.store
    with database.write() as session:
        real = {"spacing_row_mm": 2.0, "spacing_column_mm": 3.0, "rescale_slope": 0.5, "signed_offset": 4}
        session.execute(update(Image).where(Image.origin == Origin.REAL).values(real))
    ids = plant(database, store, 12)
    with database.read() as session:
        for image in session.scalars(select(Image).where(Image.id.in_(ids))):
            original = session.get_one(Image, image.altered_from_id)
            assert image.origin is Origin.ALTERED
            assert image.alteration is not None
            pixels = store.pixels(image.file_sha256)
            np.testing.assert_array_equal(pixels, replay(store.pixels(original.file_sha256), image.alteration))
            assert pixel_sha256(pixels) == image.pixel_sha256 != original.pixel_sha256
            assert (image.spacing_row_mm, image.spacing_column_mm) == (2.0, 3.0)
            assert (image.rescale_slope, image.signed_offset) == (0.5, 4)
            labels = {(label.label_id, label.source) for label in image.labels}
            assert labels == {(label.label_id, "altered") for label in original.labels}


@pytest.mark.slow
def test_every_kind_occurs_as_often_in_every_class_and_in_each_original_once(study_room: Project) -> None:
    database, store = study_room.database, study_room.store
    ids = plant(database, store, 24)
    with database.read() as session:
        rows = session.execute(
            select(Image.altered_from_id, Image.alteration, Label.name)
            .join(ImageLabel, ImageLabel.image_id == Image.id)
            .join(Label, Label.id == ImageLabel.label_id)
            .where(Image.id.in_(ids))
        ).all()
    assert Counter((row.name, row.alteration["name"]) for row in rows) == {
        (label, kind): 2 for label in "ab" for kind in PIXEL_DEFECTS
    }
    assert len({row.altered_from_id for row in rows}) == 24


@pytest.mark.slow
def test_only_images_of_the_split_that_was_asked_for_are_damaged(study_room: Project) -> None:
    database, store = study_room.database, study_room.store
    original = aliased(Image)
    for split in (Split.VALIDATION, Split.TRAIN):
        ids = plant(database, store, 6, split)
        with database.read() as session:
            splits = session.scalars(
                select(Subject.split)
                .join(original, original.subject_id == Subject.id)
                .join(Image, Image.altered_from_id == original.id)
                .where(Image.id.in_(ids))
            ).all()
        assert splits == [split] * 6


@pytest.mark.slow
def test_planting_again_finds_what_is_there_and_more_adds_the_rest(study_room: Project) -> None:
    database, store = study_room.database, study_room.store
    first = plant(database, store, 8)
    files = store.files()
    assert plant(database, store, 8) == first
    assert store.files() == files
    assert plant(database, store, 12)[:8] == first
    assert not set(plant(database, store, 8, seed=1)) & set(first)
    with database.read() as session:
        count = session.scalar(select(func.count()).where(Image.origin == Origin.ALTERED))
    assert count == 20


def test_planting_goes_on_where_it_was_interrupted(study_room: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    database, store = study_room.database, study_room.store
    monkeypatch.setattr("curation.worklists.plant.CHUNK", 2)

    def stops(done: int, total: int, note: str | None) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    like = likeness(database)
    with pytest.raises(KeyboardInterrupt):
        plant_defects(database, store, CHAIN, NOON, split=Split.VALIDATION, count=8, seed=0, like=like, report=stops)
    with database.read() as session:
        before = session.scalars(select(Image.id).where(Image.origin == Origin.ALTERED)).all()
    assert len(before) == 4
    assert plant(database, store, 8)[:4] == list(before)


def test_no_transaction_is_open_while_files_are_written(study_room: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    database, store = study_room.database, study_room.store
    written = []

    def put_while_someone_else_writes(pixels: object) -> str:
        with database.write() as session:
            session.execute(update(Import).values(created_at=NOON + timedelta(seconds=len(written))))
        written.append(1)
        return original(pixels)  # type: ignore[arg-type]

    original = store.put_pixels
    monkeypatch.setattr(store, "put_pixels", put_while_someone_else_writes)
    plant(database, store, 4)
    assert len(written) == 4


def test_images_of_an_unfinished_import_or_of_another_shape_are_not_damaged(
    database: Database, store: ImageStore
) -> None:
    add_study(database, store, validation=6)
    with database.write() as session:
        two = session.scalars(select(Image).where(Image.origin == Origin.REAL).order_by(Image.id).limit(2)).all()
        two[0].bits, two[1].height = 16, 25
    with pytest.raises(BadInput, match="there are 4"):
        plant(database, store, 5)
    with database.write() as session:
        session.execute(update(Import).values(status=BuildStatus.BUILDING))
    with pytest.raises(BadInput, match="there are 0"):
        plant(database, store, 1)


def test_a_recipe_gets_defects_for_its_controls_and_for_its_practice(study_room: Project) -> None:
    database, store = study_room.database, study_room.store
    recipe = WorklistRecipe(name="w", defect_controls=6, practice=8)
    assert plant_for_worklist(database, store, CHAIN, NOON, recipe, silent) == {"validation": 6, "train": 4}
    assert plant_for_worklist(database, store, CHAIN, NOON, WorklistRecipe(name="w"), silent) == {}


@pytest.mark.slow
def test_as_many_controls_as_are_said_to_be_at_hand_can_be_had_and_one_more_cannot(
    database: Database, store: ImageStore
) -> None:
    add_study(database, store, validation=30)
    with database.read() as session:
        there = limits_of(session, WorklistRecipe(name="w")).controls
    assert there == 30
    recipe = {"name": "w", "label_shown": False, "defect_controls": 10}
    plant_for_worklist(database, store, CHAIN, NOON, WorklistRecipe(**recipe), silent)
    with database.write() as session:
        create_worklist(session, CHAIN, NOON, WorklistRecipe(**recipe, real_controls=there - 10))
    with database.write() as session, pytest.raises(BadInput, match="there are 20 beside 10"):
        create_worklist(session, CHAIN, NOON, WorklistRecipe(**recipe | {"name": "x"}, real_controls=there - 9))
