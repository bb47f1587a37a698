"""Nothing shows, assigns or uses a withdrawn image."""

from collections import Counter

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from curation.errors import BadInput, NotAllowed, NotFound
from curation.progress import silent
from curation.project import Project
from curation.provenance.withdrawn import still_here
from curation.readers.accounts import add_reader
from curation.reading.claims import claim
from curation.reading.escalation import update_extra_slots
from curation.reading.progress import progress_of
from curation.reading.proxy_slots import open_proxy_slots
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading, void_reading
from curation.reading.reference_panel import choose_references
from curation.tables.generation import Batch, Generator, ScreenedImage
from curation.tables.images import Image, ImageLabel, Origin, Split, Subject
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Assignment, AssignmentState, Purpose, Reading, Worklist, WorklistItem
from curation.withdrawal.withdraw import withdraw
from curation.worklists.choose import choose_candidates
from curation.worklists.controls import Likeness, find_planted_defects, find_real_images
from curation.worklists.create import close_worklist, create_worklist
from curation.worklists.plant import plant_defects, plant_for_worklist
from review_ui.figures.batches import batch_figures
from review_ui.figures.neighbours import neighbours_of
from screening.references import real_references
from tests.builders import add_candidates, oval
from tests.curation.reading_room import add_person, verdict
from tests.operation_ids import new_op_id
from tests.rows import NOW, add_generator, add_image, add_import, label_id

CLASSES = ("a", "b")
SHAPE = (64, 64, 1, 8)


@pytest.fixture
def room(project: Project) -> Project:
    """Twelve candidates, real images of twelve training and twelve validation subjects, and planted defects."""
    with project.database.write() as session:
        add_candidates(project, session, [oval(number) for number in range(12)], [CLASSES[n % 2] for n in range(12)])
        source = add_import(session)
        for number in range(24):
            split = Split.TRAIN if number < 12 else Split.VALIDATION
            subject = Subject(key=f"p{number}", split=split, known=True)
            session.add(subject)
            session.flush()
            of = {"origin": Origin.REAL, "import_id": source.id, "subject_id": subject.id}
            image = add_image(project, session, oval(500 + number), **of, spacing_row_mm=3.0, spacing_column_mm=3.0)
            label = label_id(session, CLASSES[number % 2])
            session.add(ImageLabel(image_id=image.id, label_id=label, source="import", value=1.0))
    return project


def make(project: Project, **fields: object) -> int:
    recipe = WorklistRecipe.model_validate({"name": "w", "seed": 1, **fields})
    plant_for_worklist(project.database, project.store, project.chain, NOW, recipe, silent)
    with project.database.write() as session:
        return create_worklist(session, project.chain, NOW, recipe).id


def person(project: Project, name: str = "ada") -> int:
    with project.database.write() as session:
        return add_person(session, name)


def subject_behind(session: Session, worklist_id: int, purpose: Purpose) -> tuple[str, int]:
    """A subject that a worklist shows as a control, and the item."""
    item = session.scalars(
        select(WorklistItem).where(WorklistItem.worklist_id == worklist_id, WorklistItem.purpose == purpose)
    ).first()
    assert item is not None
    image = session.get_one(Image, item.image_id)
    original = session.get_one(Image, image.altered_from_id or image.id)
    return session.get_one(Subject, original.subject_id).key, item.id


def read_all(project: Project, reader_id: int, worklist_id: int, stop: int = 1_000) -> list[int]:
    """Read what is handed out; returns the items."""
    items: list[int] = []
    while len(items) < stop:
        with project.database.write() as session:
            held = claim(session, NOW, reader_id, worklist_id, 5)
            for item in held[: stop - len(items)]:
                items.append(session.scalars(select(Assignment.item_id).where(Assignment.key == item.key)).one())
                record_reading(session, project.chain, NOW, reader_id, verdict(item.key))
        if not held:
            break
    return items


@pytest.mark.slow
@pytest.mark.parametrize("purpose", [Purpose.REAL_CONTROL, Purpose.DEFECT_CONTROL])
def test_a_control_of_the_subject_is_handed_out_no_more_and_progress_ends_at_nothing(
    room: Project, purpose: Purpose
) -> None:
    worklist_id = make(room, real_controls=4, defect_controls=2)
    reader = person(room)
    with room.database.read() as session:
        key, item_id = subject_behind(session, worklist_id, purpose)
        assert progress_of(session, reader, worklist_id).left == 18
    withdraw(room, NOW, key, "")
    with room.database.read() as session:
        assert (progress_of(session, reader, worklist_id).left, progress_of(session, reader, worklist_id).total) == (
            17,
            17,
        )
    read = read_all(room, reader, worklist_id)
    assert len(read) == 17
    assert item_id not in read
    with room.database.read() as session:
        assert (progress_of(session, reader, worklist_id).left, progress_of(session, reader, worklist_id).done) == (
            0,
            17,
        )


def test_practice_can_still_be_finished(room: Project) -> None:
    worklist_id = make(room, practice=6)
    reader = person(room)
    with room.database.read() as session:
        practice = session.scalars(select(Worklist).where(Worklist.practice_for_id == worklist_id)).one()
        key, _ = subject_behind(session, practice.id, Purpose.REAL_CONTROL)
    withdraw(room, NOW, key, "")
    assert len(read_all(room, reader, practice.id, stop=4)) == 4
    with room.database.write() as session, pytest.raises(NotAllowed, match="finish the practice"):
        claim(session, NOW, reader, worklist_id, 1)
    read_all(room, reader, practice.id)
    with room.database.write() as session:
        assert len(claim(session, NOW, reader, worklist_id, 1)) == 1


@pytest.mark.slow
def test_readings_stay_and_an_undone_one_does_not_bring_the_image_back(room: Project) -> None:
    worklist_id = make(room, real_controls=4)
    reader = person(room)
    read_all(room, reader, worklist_id)
    with room.database.read() as session:
        key, item_id = subject_behind(session, worklist_id, Purpose.REAL_CONTROL)
        before = session.scalar(select(func.count()).select_from(Assignment))
    withdraw(room, NOW, key, "")
    with room.database.write() as session:
        assert session.scalar(select(func.count()).select_from(Assignment)) == before
        read = session.scalars(select(Reading).where(Reading.item_id == item_id)).one()
        void_reading(session, room.chain, NOW, reader, new_op_id(), read.op_id)
    assert read_all(room, reader, worklist_id) == []
    with room.database.read() as session:
        assert progress_of(session, reader, worklist_id).left == 0


@pytest.mark.slow
def test_a_lease_on_the_image_ends_and_its_reading_is_refused(room: Project) -> None:
    worklist_id = make(room, real_controls=4)
    reader = person(room)
    with room.database.write() as session:
        keys = [item.key for item in claim(session, NOW, reader, worklist_id, 16)]
        key, item_id = subject_behind(session, worklist_id, Purpose.REAL_CONTROL)
        held = session.scalars(select(Assignment.key).where(Assignment.item_id == item_id)).one()
    assert held in keys
    withdraw(room, NOW, key, "")
    with room.database.write() as session:
        assert held not in [item.key for item in claim(session, NOW, reader, worklist_id, 16)]
        with pytest.raises(NotFound):
            record_reading(session, room.chain, NOW, reader, verdict(held))


def candidates_drawn_from(project: Project, key: str) -> None:
    """Say that the generator of the candidates saw this subject."""
    with project.database.write() as session:
        add_generator(session, "knows", (key,), ())
        knows = session.scalars(select(Generator).where(Generator.name == "knows")).one()
        session.execute(update(Batch).values(generator_id=knows.id))


def test_candidates_removed_as_descendants_are_handed_out_no_more_to_people_or_proxies(room: Project) -> None:
    worklist_id = make(room, readers_per_image=2, rule="majority")
    candidates_drawn_from(room, "p0")
    reader = person(room)
    assert len(read_all(room, reader, worklist_id, stop=3)) == 3
    withdraw(room, NOW, "p0", "", descendants=True)
    assert read_all(room, reader, worklist_id) == []
    assert read_all(room, person(room, "ben"), worklist_id) == []
    with room.database.write() as session:
        proxy = add_reader(session, room.chain, NOW, "proxy", None, kind=ReaderKind.PROXY)
        assert open_proxy_slots(session, session.get_one(Reader, proxy.id), worklist_id) == 0
        worklist = session.get_one(Worklist, worklist_id)
        before = session.scalar(select(func.count()).select_from(Assignment))
        for item_id in session.scalars(select(WorklistItem.id)).all():
            update_extra_slots(session, worklist, item_id)
        assert session.scalar(select(func.count()).select_from(Assignment)) == before
        open_slots = select(func.count()).where(Assignment.state != AssignmentState.DONE)
        assert session.scalar(open_slots) == 0
        assert progress_of(session, reader, worklist_id).left == 0


@pytest.mark.slow
def test_hidden_repeats_leave_it_out(room: Project) -> None:
    worklist_id = make(room, real_controls=4, repeat_share=0.5)
    reader = person(room)
    with room.database.read() as session:
        key, item_id = subject_behind(session, worklist_id, Purpose.REAL_CONTROL)
    first = read_all(room, reader, worklist_id, stop=16)
    withdraw(room, NOW, key, "")
    assert item_id in first
    assert item_id not in read_all(room, reader, worklist_id)


@pytest.mark.slow
def test_no_control_no_reference_and_no_measure_uses_it_again(room: Project) -> None:
    like = Likeness(SHAPE, frozenset({(3.0, 3.0)}), Counter({"a": 6, "b": 6}))
    settings = {"split": Split.TRAIN, "count": 12, "seed": 1, "like": like, "report": silent}
    plant_defects(room.database, room.store, room.chain, NOW, **settings)
    worklist_id = make(room)
    with room.database.read() as session:
        worklist = session.get_one(Worklist, worklist_id)
        shown = session.scalars(select(Image).where(Image.subject.has(key="p3"))).one()
        assert shown.file_sha256 in {panel.file_sha256 for panel in choose_references(session, b"k" * 32, worklist)}
    withdraw(room, NOW, "p3", "")
    with room.database.read() as session:
        assert shown.id not in {item.image_id for item in find_real_images(session, like, Split.TRAIN, 1)}
        defects = find_planted_defects(session, like, Split.TRAIN, 1)
        assert len(defects) == 11
        assert shown.id not in {item.original_id for item in defects}
        assert shown.file_sha256 not in {panel.file_sha256 for panel in choose_references(session, b"k" * 32, worklist)}
        assert shown.id not in {real.image_id for real in real_references(session, Split.TRAIN, SHAPE)}
        assert still_here(session, [shown.id, shown.id + 1]) == {shown.id + 1}


def test_neighbours_previews_and_new_worklists_leave_it_out(room: Project) -> None:
    worklist_id = make(room)
    with room.database.write() as session:
        near = session.scalars(select(Image.id).where(Image.subject.has(key="p3"))).one()
        other = session.scalars(select(Image.id).where(Image.subject.has(key="p4"))).one()
        result = [{"image_id": key, "distance": 0.1, "by": "features"} for key in (near, other)]
        session.execute(update(ScreenedImage).values(neighbours=result))
        close_worklist(session, room.chain, NOW, "w")
    candidates_drawn_from(room, "p0")
    withdraw(room, NOW, "p3", "")
    with room.database.read() as session:
        rows, total = neighbours_of(session, worklist_id, 0, 20)
        assert (total, {len(row.neighbours) for row in rows}) == (12, {1})
        assert len(batch_figures(session, NOW, 1, 24)[0].newest) == 12
    withdraw(room, NOW, "p0", "", descendants=True)
    with room.database.read() as session:
        assert neighbours_of(session, worklist_id, 0, 20) == ([], 0)
        assert batch_figures(session, NOW, 1, 24)[0].newest == []
        with pytest.raises(BadInput, match="expected screened candidates"):
            choose_candidates(session, WorklistRecipe(name="x", again=True))
