"""A worklist holds screened candidates in a shuffled order, with controls that look like them."""

import numpy as np
import pytest
from pydantic import ValidationError
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from curation.database import Database
from curation.errors import BadInput, Conflict, NotFound
from curation.reading.claims import claim
from curation.reading.outcomes import recompute_outcomes
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading
from curation.reading.worklist import find_worklist
from curation.tables.generation import Generator, ScreenedImage, Screening, ScreeningVerdict
from curation.tables.images import BuildStatus, Image, ImageLabel, Import, Label, Origin, Split, Subject
from curation.tables.reading import Assignment, Purpose, Verdict, WorklistItem
from curation.worklists.create import close_worklist, create_worklist
from curation.worklists.summaries import list_worklists
from tests.curation.reading_room import CHAIN, NOON, add_person, add_screened, verdict


def create(session: Session, **recipe: object) -> int:
    return create_worklist(session, CHAIN, NOON, WorklistRecipe.model_validate({"name": "w", **recipe})).id


def order(session: Session, worklist: int) -> list[str]:
    query = select(Image.pixel_sha256).join(WorklistItem, WorklistItem.image_id == Image.id)
    return list(
        session.scalars(query.where(WorklistItem.worklist_id == worklist).order_by(WorklistItem.position)).all()
    )


def add_real(session: Session, count: int, split: Split = Split.VALIDATION, **columns: object) -> list[int]:
    """Real images of class a, each of its own subject, of the candidates' shape unless `columns` say otherwise."""
    label = session.scalars(select(Label.id).where(Label.name == "a")).one()
    start = session.scalar(select(func.count()).select_from(Subject)) or 0
    source = Import(
        source=f"s{start}",
        source_digest=f"{start:064d}",
        status=BuildStatus.READY,
        subjects_known=True,
        notice="only a test",
        report={},
        created_at=NOON,
    )
    subjects = [Subject(key=f"s{start + number}", split=split, known=True) for number in range(count)]
    session.add_all([source, *subjects])
    session.flush()
    shape = {"height": 8, "width": 8, "channels": 1, "bits": 8, **columns}
    images = [
        Image(
            origin=Origin.REAL,
            import_id=source.id,
            subject_id=subject.id,
            file_sha256=f"r{subject.id:063d}",
            pixel_sha256=f"r{subject.id:063d}",
            created_at=NOON,
            **shape,
        )
        for subject in subjects
    ]
    session.add_all(images)
    session.flush()
    session.add_all(ImageLabel(image_id=image.id, label_id=label, source="import", value=1.0) for image in images)
    session.flush()
    return [image.id for image in images]


def test_every_candidate_is_in_once_at_a_shuffled_place_that_the_seed_fixes(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 50)
        first, again, other = (
            order(session, create(session, name=name, seed=seed)) for name, seed in (("x", 1), ("y", 1), ("z", 2))
        )
    assert sorted(first) == [f"{index:064d}" for index in range(50)]
    assert first != sorted(first)
    assert first == again
    assert first != other


def test_each_image_has_a_slot_per_reader_under_its_own_opaque_key(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 10)
        worklist = create(session, readers_per_image=3, rule="majority")
        slots = session.execute(
            select(Assignment.key, Assignment.item_id, Assignment.slot).where(Assignment.worklist_id == worklist)
        ).all()
    assert len(slots) == len({slot.key for slot in slots}) == 30
    assert {len(slot.key) for slot in slots} == {32}
    assert {slot.slot for slot in slots} == {0, 1, 2}


def test_blocked_images_unfinished_screenings_and_older_screenings_do_not_count(database: Database) -> None:
    with database.write() as session:
        ids = add_screened(session, 6)
        screening = session.scalars(select(Screening)).one()
        session.execute(
            update(ScreenedImage).where(ScreenedImage.image_id == ids[0]).values(verdict=ScreeningVerdict.BLOCK)
        )
        session.execute(
            update(ScreenedImage).where(ScreenedImage.image_id == ids[1]).values(verdict=ScreeningVerdict.FLAG)
        )
        assert len(order(session, create(session, name="both"))) == 5
        assert len(order(session, create(session, name="passed", include=("pass",)))) == 4
        later = Screening(
            batch_id=screening.batch_id,
            parameters={},
            parameters_digest="9" * 64,
            status=BuildStatus.BUILDING,
            created_at=NOON,
        )
        session.add(later)
        session.flush()
        session.add(ScreenedImage(screening_id=later.id, image_id=ids[2], verdict=ScreeningVerdict.PASS, neighbours=[]))
        assert len(order(session, create(session, name="unfinished"))) == 5
        later.status = BuildStatus.READY
        session.flush()
        assert len(order(session, create(session, name="latest"))) == 1


def test_settled_images_come_back_only_when_asked_for(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 4)
        worklist, reader = create(session), add_person(session, "r")
        for item, answer in zip(claim(session, NOON, reader, worklist, 3), Verdict, strict=True):
            record_reading(session, CHAIN, NOON, reader, verdict(item.key, answer=answer))
        assert recompute_outcomes(session, worklist) == {"approved": 1, "rejected": 1, "unresolved": 1}
        assert len(order(session, create(session, name="rest"))) == 2
        assert len(order(session, create(session, name="all", again=True))) == 4


def test_a_limit_takes_the_same_images_however_rows_are_ordered(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 30)
        chosen = set(order(session, create(session, name="x", limit=10, seed=4)))
        assert chosen == set(order(session, create(session, name="y", limit=10, seed=4)))
    assert len(chosen) == 10


def test_real_controls_come_from_validation_subjects_with_their_truth(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 8)
        validation, train = add_real(session, 5), add_real(session, 5, Split.TRAIN)
        worklist = create(session, real_controls=4)
        items = session.scalars(select(WorklistItem).where(WorklistItem.worklist_id == worklist)).all()
        controls = [item for item in items if item.purpose is Purpose.REAL_CONTROL]
        assert {(item.truth, item.shown_label) for item in controls} == {("a", "a")}
        assert {item.truth for item in items if item.purpose is Purpose.CANDIDATE} == {None}
        assert {item.image_id for item in controls} <= set(validation)
        assert not {item.image_id for item in controls} & set(train)
        assert find_worklist(session, "w").notice == "only a test"
    assert len(controls) == 4


@pytest.mark.slow
@pytest.mark.parametrize("columns", [{"height": 9}, {"channels": 3}, {"bits": 16}])
def test_controls_of_another_shape_or_depth_are_refused(database: Database, columns: dict[str, int]) -> None:
    with database.write() as session:
        add_screened(session, 4)
        add_real(session, 3, **columns)
        with pytest.raises(BadInput, match="there are 0"):
            create(session, real_controls=1)


def test_controls_of_another_spacing_or_class_or_of_two_classes_are_refused(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 4)
        session.execute(update(Image).values(spacing_row_mm=1.0, spacing_column_mm=1.0))
        add_real(session, 1, spacing_row_mm=2.0, spacing_column_mm=2.0)
        (other_class,), (two_classes,) = add_real(session, 1), add_real(session, 1)
        add_real(session, 2, spacing_row_mm=1.0, spacing_column_mm=1.0)
        third = Label(name="c")
        session.add(third)
        session.flush()
        session.execute(update(ImageLabel).where(ImageLabel.image_id == other_class).values(label_id=third.id))
        session.add(ImageLabel(image_id=two_classes, label_id=third.id, source="import", value=1.0))
        session.flush()
        with pytest.raises(BadInput, match="there are 2"):
            create(session, real_controls=3)
        create(session, real_controls=2)


def test_controls_of_an_unfinished_import_are_refused(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 4)
        add_real(session, 3)
        session.execute(update(Import).values(status=BuildStatus.BUILDING))
        with pytest.raises(BadInput, match="there are 0"):
            create(session, real_controls=1)


def test_nothing_a_browser_is_sent_tells_a_control_from_a_candidate(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 6)
        add_real(session, 6, spacing_row_mm=1.0, spacing_column_mm=1.0)
        worklist, reader = create(session, real_controls=6), add_person(session, "r")
        held = claim(session, NOON, reader, worklist, 12)
        truth = dict(session.execute(select(WorklistItem.position, WorklistItem.truth)).all())
    assert {(item.shape, item.bits, item.spacing) for item in held} == {((8, 8, 1), 8, None)}
    places = [position for position, known in truth.items() if known]
    assert 0 < np.ptp(places) < 12
    assert sorted(places) != list(range(6, 12))


def test_a_label_blind_worklist_shows_no_class(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 4)
        worklist, reader = create(session, label_shown=False), add_person(session, "r")
        assert {item.shown_label for item in claim(session, NOON, reader, worklist, 4)} == {None}
        made = find_worklist(session, "w")
        assert made.question == "Accept or reject, and which class?"
        assert made.classes == ["a", "b"]


def test_the_generators_notice_goes_with_its_images(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 2)
        session.execute(update(Generator).values(card={"notice": "SIMULATED"}))
        create(session)
        assert find_worklist(session, "w").notice == "SIMULATED"


def test_names_rules_and_vocabularies_that_do_not_fit_are_refused(database: Database) -> None:
    with database.write() as session:
        with pytest.raises(BadInput, match="expected screened candidates"):
            create(session)
        add_screened(session, 2)
        with pytest.raises(BadInput, match="single"):
            create(session, readers_per_image=2)
        with pytest.raises(BadInput, match="vocabulary"):
            create(session, vocabulary="poetry")
        create(session)
        with pytest.raises(Conflict):
            create(session)
        with pytest.raises(NotFound):
            find_worklist(session, "v")
    with pytest.raises(ValidationError):
        WorklistRecipe.model_validate({"name": "w", "colour": "red"})


def test_the_list_says_how_far_a_worklist_is(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 3)
        worklist, reader = create(session), add_person(session, "r")
        for item in claim(session, NOON, reader, worklist, 2):
            record_reading(session, CHAIN, NOON, reader, verdict(item.key))
        recompute_outcomes(session, worklist)
        close_worklist(session, CHAIN, NOON, "w")
        close_worklist(session, CHAIN, NOON, "w")
        (row,) = list_worklists(session)
    assert (row.status, row.images, row.read_by_people, row.read_by_proxies) == ("closed", 3, 2, 0)
    assert (row.approved, row.rejected) == (2, 0)
