"""A worklist opens at the window of real training images like its candidates, the same for every item."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from pydicom.dataset import FileDataset
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from curation.database import Database
from curation.ingest.request import ImportRequest
from curation.ingest.sources.image_folder import import_image_folder
from curation.progress import silent
from curation.project import Project
from curation.reading.claims import claim
from curation.reading.reading_list import list_readable_worklists
from curation.reading.recipe import WorklistRecipe
from curation.tables.images import Image, Origin, Split, Subject
from curation.tables.reading import Purpose, Worklist, WorklistItem
from curation.worklists.choose import choose_items
from curation.worklists.create import create_worklist
from curation.worklists.opening_window import choose_opening_window
from curation.worklists.plant import plant_for_worklist
from tests.builders import CLASSES, add_candidates, oval
from tests.curation.ingest.formats.dicom_samples import changed
from tests.curation.reading_room import CHAIN, NOON, add_person
from tests.rows import NOW
from tests.worlds.either_database import copy_either
from tests.worlds.study_room import make_study_room

RECIPE = WorklistRecipe(name="w")
SERVER_SIDE = ("key", "file_sha256", "pixel_sha256")  # the route sends the key, which differs, and no digest


@pytest.fixture
def study(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[Database]:
    """12 candidates, 24 real validation and 12 real training images of one shape, 8 bit, none with a window."""
    project = copy_either(request, "study-without-windows", make_study, tmp_path / "study")
    yield project.database
    project.database.dispose()


def make_study(root: Path, database_url: str) -> None:
    make_study_room(root, database_url)
    project = Project.open(root)
    recipe = RECIPE.model_copy(update={"defect_controls": 4, "practice": 4})
    plant_for_worklist(project.database, project.store, project.chain, NOON, recipe, silent)
    project.database.dispose()


def train(session: Session, split: Split = Split.TRAIN) -> list[Image]:
    query = select(Image).join(Subject).where(Subject.split == split, Image.origin == Origin.REAL).order_by(Image.id)
    return list(session.scalars(query))


def set_windows(session: Session, images: list[Image], windows: list[tuple[float, float] | None]) -> None:
    for image, window in zip(images, windows, strict=True):
        image.window_center, image.window_width = window or (None, None)
    session.flush()


def settled(session: Session) -> tuple[float, float] | None:
    return choose_opening_window(session, choose_items(session, RECIPE))


@pytest.mark.slow
def test_the_window_of_most_is_taken_else_the_medians_and_none_where_most_have_none(study: Database) -> None:
    with study.write() as session:
        images = train(session)
        assert settled(session) is None
        set_windows(session, images, [(40.0, 80.0)] * 6 + [(100.0, 20.0 + n) for n in range(6)])
        assert settled(session) == (40, 80)
        set_windows(session, images, [(40.0 + n, 80.0 - 2 * n) for n in range(12)])
        assert settled(session) == (45.5, 69)
        set_windows(session, images, [(40.0, 80.0)] * 5 + [None] * 7)
        assert settled(session) is None
        set_windows(session, images, [(127.5, 255.0)] * 12)  # as windowed at import: it leaves nothing out
        assert settled(session) is None


def test_windows_are_brought_to_stored_values(study: Database) -> None:
    with study.write() as session:
        for image in train(session):
            image.window_center, image.window_width = 40.0, 400.0
            image.rescale_slope, image.rescale_intercept, image.signed_offset = 4.0, -100.0, 16
        session.flush()
        assert settled(session) == ((40 + 100) / 4 + 16, 100)


@pytest.mark.slow
def test_only_training_images_like_the_candidates_have_a_say(study: Database) -> None:
    with study.write() as session:
        set_windows(session, train(session, Split.VALIDATION), [(10.0, 20.0)] * 24)
        assert settled(session) is None
        images = train(session)
        set_windows(session, images, [(40.0, 80.0)] * 12)
        for change in ({"bits": 16}, {"height": 99}, {"withdrawn_at": NOON}):
            before = {name: getattr(images[0], name) for name in change}
            session.execute(update(Image).where(Image.id.in_([item.id for item in images])).values(**change))
            assert settled(session) is None
            session.execute(update(Image).where(Image.id.in_([item.id for item in images])).values(**before))
        items = choose_items(session, RECIPE)
        assert choose_opening_window(session, items) == (40, 80)
        assert choose_opening_window(session, [replace(item, label="another class") for item in items]) is None
        assert choose_opening_window(session, [replace(items[0], shape=(24, 24, 3, 8))]) is None
        assert choose_opening_window(session, [*items, replace(items[0], shape=(9, 9, 1, 8))]) is None


@pytest.mark.slow
def test_it_is_settled_once_and_sent_with_the_worklist_and_its_practice_never_with_an_item(study: Database) -> None:
    with study.write() as session:
        set_windows(session, train(session), [(40.0, 80.0)] * 12)
        set_windows(session, train(session, Split.VALIDATION), [(float(n), 30.0) for n in range(24)])
        recipe = RECIPE.model_copy(update={"real_controls": 6, "defect_controls": 4, "practice": 4})
        worklist = create_worklist(session, CHAIN, NOON, recipe)
        reader = add_person(session, "anna")
        bare = recipe.model_copy(update={"name": "without-practice", "practice": 0})
        unpractised = create_worklist(session, CHAIN, NOON, bare)
        set_windows(session, train(session), [None] * 12)
        sent = {item.id: item.window for item in list_readable_worklists(session, reader, may_adjudicate=False)}
        practice = session.scalars(select(Worklist.id).where(Worklist.practice_for_id == worklist.id)).one()
        assert sent == {practice: (40.0, 80.0), unpractised.id: (40.0, 80.0)}
        held = [asdict(item) for item in claim(session, NOON, reader, unpractised.id, 22)]
        in_it = WorklistItem.worklist_id == unpractised.id
        purposes = session.scalars(select(WorklistItem.purpose).where(in_it)).all()
    assert len(held) == 22
    assert {Purpose.CANDIDATE, Purpose.REAL_CONTROL, Purpose.DEFECT_CONTROL} <= set(purposes)
    sent_items = [{name: value for name, value in item.items() if name not in SERVER_SIDE} for item in held]
    assert len({json.dumps({**item, "shown_label": None}, sort_keys=True) for item in sent_items}) == 1
    assert not any("window" in name for name in sent_items[0])


def test_of_an_imported_ct_it_is_the_window_of_the_file(project: Project, tmp_path: Path) -> None:
    def soft(dataset: FileDataset) -> None:
        dataset.WindowCenter, dataset.WindowWidth = 40, 400

    for number in range(8):
        changed(tmp_path / "ct" / f"{number}.dcm", "CT_small.dcm", soft, seed=number)
    request = ImportRequest(label=CLASSES[0], subject_pattern=r"(\d)\.dcm")
    assert import_image_folder(project, NOW, tmp_path / "ct", request=request).counts["train"]
    with project.database.write() as session:
        add_candidates(project, session, [oval(n, 128, 16) for n in range(4)], [CLASSES[0]] * 4)
        worklist = create_worklist(session, project.chain, NOW, RECIPE)
    assert worklist.recipe["window"] == [40 + 32_768, 400]
