"""Controls look like the candidates, and the order gives nothing away."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from curation.alterations.replay import PIXEL_DEFECTS, WRONG_LABEL
from curation.database import Database
from curation.errors import BadInput, NotFound
from curation.progress import silent
from curation.project import Project
from curation.reading.claims import claim
from curation.reading.recipe import WorklistRecipe
from curation.tables.generation import ScreenedImage, Screening, ScreeningCheck, ScreeningVerdict
from curation.tables.images import Image, ImageLabel, Label, Origin, Split, Subject
from curation.tables.reading import Purpose, WorklistItem
from curation.worklists.choose import choose_items, choose_practice_items, draw_positions, notice_of
from curation.worklists.create import create_worklist
from curation.worklists.items import Item
from curation.worklists.plant import plant_for_worklist
from tests.curation.reading_room import CHAIN, NOON, add_person, add_screened
from tests.worlds.either_database import copy_either
from tests.worlds.study_room import SIZE, make_study_room

MIXED = {"real_controls": 8, "defect_controls": 8}


def recipe(**fields: object) -> WorklistRecipe:
    return WorklistRecipe.model_validate({"name": "w", **fields})


def of(items: list[Item], purpose: Purpose) -> list[Item]:
    return [item for item in items if item.purpose is purpose]


@pytest.fixture
def planted_study(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[Project]:
    """A study with defects planted for `MIXED` and 8 practice images."""
    project = copy_either(request, "planted-study", make_planted, tmp_path / "study")
    yield project
    project.database.dispose()


@pytest.fixture
def planted(planted_study: Project) -> Database:
    """Its database."""
    return planted_study.database


def make_planted(root: Path, database_url: str) -> None:
    make_study_room(root, database_url)
    project = Project.open(root)
    plant_for_worklist(project.database, project.store, project.chain, NOON, recipe(**MIXED, practice=8), silent)
    project.database.dispose()


def splits(session: Session, items: list[Item]) -> set[Split]:
    originals = [item.original_id or item.image_id for item in items]
    query = select(Subject.split).join(Image, Image.subject_id == Subject.id).where(Image.id.in_(originals))
    return set(session.scalars(query))


@pytest.mark.slow
def test_controls_are_validation_images_and_no_original_is_in_twice(planted: Database) -> None:
    for shown in (True, False):
        with planted.read() as session:
            items = choose_items(session, recipe(**MIXED, label_shown=shown))
            controls = of(items, Purpose.REAL_CONTROL) + of(items, Purpose.DEFECT_CONTROL)
            assert splits(session, controls) == {Split.VALIDATION}
        assert len(controls) == 16
        assert len({item.original_id or item.image_id for item in controls}) == 16
        assert {(item.shape, item.spacing_mm) for item in items} == {((SIZE, SIZE, 1, 8), None)}


@pytest.mark.slow
def test_a_wrong_class_is_a_defect_only_where_classes_are_shown(planted: Database) -> None:
    with planted.read() as session:
        shown = of(choose_items(session, recipe(**MIXED)), Purpose.DEFECT_CONTROL)
        blind = of(choose_items(session, recipe(**MIXED, label_shown=False)), Purpose.DEFECT_CONTROL)
        true = dict(session.execute(select(ImageLabel.image_id, Label.name).join(Label)).all())
    wrong = [item for item in shown if item.truth == WRONG_LABEL]
    assert wrong
    for item in wrong:
        assert item.label != true[item.image_id]
        assert item.original_id == item.image_id
    assert {item.truth for item in shown} <= {*PIXEL_DEFECTS, WRONG_LABEL}
    assert {item.truth for item in blind} <= set(PIXEL_DEFECTS)
    assert all(item.label == true[item.image_id] for item in blind)


@pytest.mark.slow
def test_classes_are_shown_as_often_among_controls_as_among_candidates(planted: Database) -> None:
    with planted.write() as session:
        chosen = session.scalars(select(Image.id).where(Image.origin == Origin.SYNTHETIC).order_by(Image.id)).all()
        label_a = session.scalars(select(Label.id).where(Label.name == "a")).one()
        session.execute(update(ImageLabel).where(ImageLabel.image_id.in_(chosen[:4])).values(label_id=label_a))
    with planted.read() as session:
        items = choose_items(session, recipe(real_controls=8, defect_controls=4))
    assert Counter(item.label for item in of(items, Purpose.CANDIDATE)) == {"a": 8, "b": 4}
    assert Counter(item.label for item in of(items, Purpose.REAL_CONTROL)) in ({"a": 5, "b": 3}, {"a": 6, "b": 2})
    assert Counter(item.label for item in of(items, Purpose.DEFECT_CONTROL)) == {"a": 3, "b": 1}


def test_kinds_of_defects_are_spread_evenly(planted: Database) -> None:
    with planted.read() as session:
        items = of(choose_items(session, recipe(**MIXED, label_shown=False)), Purpose.DEFECT_CONTROL)
    assert set(Counter(item.truth for item in items).values()) <= {1, 2}


def test_real_defect_and_candidate_items_send_the_same_fields_and_sizes(planted_study: Project) -> None:
    with planted_study.database.write() as session:
        # Files of candidates are not read here; every control's is.
        made = create_worklist(session, CHAIN, NOON, recipe(**MIXED))
        reader = add_person(session, "r")
        held = claim(session, NOON, reader, made.id, 28)
        purposes = dict(session.execute(select(WorklistItem.image_id, WorklistItem.purpose)).all())
        files = dict(session.execute(select(Image.file_sha256, Image.id)).all())
        sent: dict[Purpose, set[object]] = {}
        for item in held:
            purpose = purposes[files[item.file_sha256]]
            sent.setdefault(purpose, set()).add((len(item.key), item.shape, item.bits, item.spacing, item.rescale))
            if purpose is not Purpose.CANDIDATE:
                assert planted_study.store.pixels(item.file_sha256).nbytes == SIZE * SIZE
        shown = {(item.key.isalnum(), item.shown_label in {"a", "b"}) for item in held}
    assert len(held) == 28
    assert set(sent) == {Purpose.CANDIDATE, Purpose.REAL_CONTROL, Purpose.DEFECT_CONTROL}
    assert len(set.union(*sent.values())) == 1
    assert shown == {(True, True)}


@pytest.mark.slow
def test_practice_is_half_defects_half_real_and_of_training_subjects_alone(planted: Database) -> None:
    with planted.read() as session:
        wanted = recipe(**MIXED, practice=8)
        items = choose_practice_items(session, wanted, choose_items(session, wanted))
        assert splits(session, items) == {Split.TRAIN}
    assert Counter(item.purpose for item in items) == {Purpose.REAL_CONTROL: 4, Purpose.DEFECT_CONTROL: 4}
    assert all(item.truth for item in items)
    assert len({item.original_id or item.image_id for item in items}) == 8


@pytest.mark.slow
def test_the_notices_of_what_defects_were_planted_in_are_shown(planted: Database) -> None:
    with planted.read() as session:
        items = choose_items(session, recipe(defect_controls=8, label_shown=False))
        assert notice_of(session, items) == "notice 0"


@pytest.mark.slow
def test_too_few_controls_are_refused_with_what_there_is(planted: Database) -> None:
    with planted.read() as session:
        with pytest.raises(BadInput, match="expected 30 planted defects in validation images"):
            choose_items(session, recipe(defect_controls=30))
        with pytest.raises(BadInput, match="there are 16 beside 8 that hold a planted defect"):
            choose_items(session, recipe(real_controls=20, defect_controls=8))
        with pytest.raises(BadInput, match="train images"):
            choose_practice_items(session, recipe(practice=30), choose_items(session, recipe()))


@pytest.mark.slow
def test_a_turing_test_holds_candidates_and_real_images_only(planted: Database) -> None:
    with planted.read() as session:
        items = choose_items(session, recipe(kind="turing", real_controls=6, margin=0.6))
    assert Counter(item.purpose for item in items) == {Purpose.CANDIDATE: 12, Purpose.REAL_CONTROL: 6}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "turing", "real_controls": 2, "defect_controls": 2}, "planted defects are neither"),
        ({"kind": "turing"}, "ask for real controls"),
        ({"kind": "turing", "real_controls": 2, "practice": 4}, "practice"),
        ({"margin": 0.6}, "Turing"),
        ({"rule": "adjudicated"}, "two or more"),
        ({"rule": "single", "readers_per_image": 2}, "one reader"),
        ({"exclusion": {"min_sensitivity": 0.5}}, "planted defects"),
        ({"exclusion": {"max_false_rejects": 0.5}}, "real controls"),
        ({"exclusion": {"min_repeat_agreement": 0.5}}, "repeats"),
    ],
)
def test_wishes_that_contradict_each_other_are_refused(
    database: Database, fields: dict[str, object], message: str
) -> None:
    with database.write() as session:
        add_screened(session, 2)
        with pytest.raises(BadInput, match=message):
            choose_items(session, recipe(**fields))


def test_readers_who_are_not_there_and_too_few_readers_are_refused(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 2)
        add_person(session, "anna")
        with pytest.raises(NotFound, match="ben"):
            choose_items(session, recipe(readers=["anna", "ben"]))
        with pytest.raises(BadInput, match="at least 2 readers"):
            choose_items(session, recipe(readers=["anna"], readers_per_image=2, rule="majority"))
        assert len(choose_items(session, recipe(readers=["anna"]))) == 2


def test_a_margin_no_auc_can_have_is_refused() -> None:
    with pytest.raises(ValidationError):
        recipe(margin=0.4)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["random", "batch", "flags", "priority"])
def test_every_place_is_taken_once_and_the_seed_fixes_which(planted: Database, order: str) -> None:
    with planted.read() as session:
        items = choose_items(session, recipe(**MIXED, order=order))
    places = draw_positions(items, recipe(order=order, seed=3))
    assert sorted(places) == list(range(28))
    assert places == draw_positions(items, recipe(order=order, seed=3))
    assert places != draw_positions(items, recipe(order=order, seed=4))


@pytest.mark.slow
def test_flagged_candidates_come_first_and_controls_lie_anywhere_among_them(planted: Database) -> None:
    with planted.write() as session:
        flagged = session.scalars(select(ScreenedImage).order_by(ScreenedImage.image_id).limit(4)).all()
        for row in flagged:
            row.verdict = ScreeningVerdict.FLAG
    controls = Counter[int]()
    with planted.read() as session:
        for seed in range(30):
            wanted = recipe(**MIXED, order="flags", seed=0).model_copy(update={"seed": seed})
            items = choose_items(session, recipe(**MIXED, order="flags"))
            placed = sorted(zip(draw_positions(items, wanted), items, strict=True), key=lambda pair: pair[0])
            candidates = [item.flagged for _, item in placed if item.purpose is Purpose.CANDIDATE]
            assert candidates == [True] * 4 + [False] * 8
            controls.update(place // 7 for place, item in placed if item.purpose is not Purpose.CANDIDATE)
    # 16 controls of 28 places, 30 times: 120 are expected in each quarter of the list, give or take 6.5.
    assert all(90 < controls[quarter] < 150 for quarter in range(4))


def test_by_batch_older_batches_come_first() -> None:
    wanted = recipe(order="batch")
    items = [Item(n, "a", Purpose.CANDIDATE, 5 - n // 2, f"{n}", (8, 8, 1, 8), None) for n in range(6)]
    assert draw_positions(items, wanted) == [4, 5, 2, 3, 0, 1]


def test_by_priority_images_nearest_to_a_threshold_come_first(database: Database) -> None:
    with database.write() as session:
        ids = add_screened(session, 4)
        screening = session.scalars(select(Screening)).one()
        screening.parameters = {
            "ranges": {
                "brightness": {"flag_low": 0.2, "flag_high": 0.4, "block_low": 0.0, "block_high": 1.0},
                "noise": {"flag_low": None, "flag_high": 0.5, "block_low": None, "block_high": 1.0},
                "contrast": {"not_set": "too few"},
            }
        }
        values = {ids[0]: (0.30, 0.1), ids[1]: (0.21, 0.1), ids[2]: (0.30, 0.499), ids[3]: (0.5, 0.1)}
        for image_id, pair in values.items():
            for name, value in zip(("brightness", "noise"), pair, strict=True):
                session.add(
                    ScreeningCheck(
                        screening_id=screening.id,
                        image_id=image_id,
                        name=name,
                        value=value,
                        threshold="",
                        verdict=ScreeningVerdict.PASS,
                    )
                )
        session.flush()
        made = create_worklist(session, CHAIN, NOON, recipe(order="priority"))
        rows = session.execute(
            select(WorklistItem.image_id, WorklistItem.priority)
            .where(WorklistItem.worklist_id == made.id)
            .order_by(WorklistItem.position)
        ).all()
    assert [row.image_id for row in rows][:2] == [ids[2], ids[1]]
    assert {row.image_id for row in rows[2:]} == {ids[0], ids[3]}
    assert 0 < rows[-1].priority <= rows[0].priority <= 1
