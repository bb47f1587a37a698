"""A reader gets every control once, repeats far apart and audits of a grid, and cannot tell them."""

import os
from collections import Counter

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.database import Database
from curation.errors import BadInput, NotAllowed
from curation.reading.claims import claim
from curation.reading.grid_audits import has_waiting_audits
from curation.reading.outcomes import decisions_of
from curation.reading.progress import progress_of
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading, void_reading
from curation.tables.images import ImageLabel, Label
from curation.tables.reading import Assignment, AssignmentPurpose, Purpose, Reading, Verdict, Worklist, WorklistItem
from curation.worklists.create import create_worklist
from curation.worklists.manage import set_readers
from tests.curation.reading_room import CHAIN, NOON, add_person, add_screened, verdict
from tests.curation.worklists.test_create import add_real
from tests.operation_ids import new_op_id

PAGE = "ab" * 16
SOAK = os.environ.get("ROUNDS_SOAK") == "1"


def worklist_with(session: Session, images: int, readers: int = 1, **recipe: object) -> tuple[int, list[int]]:
    add_screened(session, images)
    if recipe.get("real_controls"):
        add_real(session, images)
        both_classes(session)
    made = create_worklist(session, CHAIN, NOON, WorklistRecipe.model_validate({"name": "w", **recipe}))
    return made.id, [add_person(session, f"r{number}") for number in range(readers)]


def both_classes(session: Session) -> None:
    """Half of the real images are of class b, as the candidates are."""
    other = session.scalars(select(Label.id).where(Label.name == "b")).one()
    for place, label in enumerate(session.scalars(select(ImageLabel).where(ImageLabel.source == "import"))):
        if place % 2:
            session.add(ImageLabel(image_id=label.image_id, label_id=other, source="import", value=1.0))
            session.delete(label)
    session.flush()


def read_all(session: Session, reader: int, worklist: int, count: int = 10) -> list[Assignment]:
    """Read to the end in claims of `count`; the assignments in the order in which they were met."""
    met: list[str] = []
    while held := claim(session, NOON, reader, worklist, count):
        for item in held:
            record_reading(session, CHAIN, NOON, reader, verdict(item.key))
            met.append(item.key)
    assignments = {
        assignment.key: assignment
        for assignment in session.scalars(select(Assignment).where(Assignment.reader_id == reader))
    }
    return [assignments[key] for key in met]


def read_page(session: Session, reader: int, worklist: int, count: int, answer: Verdict = Verdict.ACCEPT) -> list[str]:
    op_ids = []
    for item in claim(session, NOON, reader, worklist, count, "grid"):
        op_ids.append(new_op_id())
        request = verdict(item.key, op_id=op_ids[-1], answer=answer, mode="grid", page_id=PAGE)
        record_reading(session, CHAIN, NOON, reader, request)
    return op_ids


def purposes(assignments: list[Assignment]) -> Counter[str]:
    return Counter(assignment.purpose.value for assignment in assignments)


@pytest.mark.slow
def test_two_readers_meet_the_same_images_in_different_orders(database: Database) -> None:
    with database.write() as session:
        worklist, (first, second) = worklist_with(session, 30, readers=2, readers_per_image=2, rule="majority")
        orders = [
            [assignment.item_id for assignment in read_all(session, reader, worklist)] for reader in (first, second)
        ]
    assert sorted(orders[0]) == sorted(orders[1])
    assert len(orders[0]) == len(set(orders[0])) == 30
    assert orders[0] != orders[1]


@pytest.mark.slow
def test_every_reader_gets_every_control_once_and_candidates_are_shared(database: Database) -> None:
    with database.write() as session:
        worklist, readers = worklist_with(session, 20, readers=2, real_controls=8)
        claimed = [[item.key for item in claim(session, NOON, reader, worklist, 14)] for reader in readers]
        for reader, keys in zip(readers, claimed, strict=True):
            for key in keys:
                record_reading(session, CHAIN, NOON, reader, verdict(key))
            read_all(session, reader, worklist)
        rows = session.execute(
            select(WorklistItem.id, WorklistItem.purpose, Reading.reader_id).join(
                Reading, Reading.item_id == WorklistItem.id
            )
        ).all()
        left = [progress_of(session, reader, worklist) for reader in readers]
    controls = Counter((row.id, row.reader_id) for row in rows if row.purpose is Purpose.REAL_CONTROL)
    candidates = Counter(row.id for row in rows if row.purpose is Purpose.CANDIDATE)
    assert set(controls.values()) == {1}
    assert Counter(reader for _, reader in controls) == dict.fromkeys(readers, 8)
    assert len(candidates) == 20
    assert set(candidates.values()) == {1}
    assert [progress.left for progress in left] == [0, 0]
    assert sum(progress.done for progress in left) == 20 + 2 * 8


@pytest.mark.slow
@pytest.mark.soak
def test_repeats_come_at_least_fifty_images_later_and_once(database: Database) -> None:
    images = 300 if SOAK else 150
    with database.write() as session:
        worklist, (reader,) = worklist_with(session, images, repeat_share=0.2)
        met = read_all(session, reader, worklist, 48)
    first_at = {
        assignment.item_id: place
        for place, assignment in enumerate(met)
        if assignment.purpose is AssignmentPurpose.FIRST
    }
    apart = [
        place - first_at[assignment.item_id]
        for place, assignment in enumerate(met)
        if assignment.purpose is AssignmentPurpose.REPEAT
    ]
    assert len(first_at) == images
    assert 0.1 * images <= len(apart) <= 0.3 * images
    assert min(apart) > 50
    assert max(apart) - min(apart) > 20  # not to be counted out
    assert purposes(met) == {"first": images, "repeat": len(apart)}


@pytest.mark.slow
@pytest.mark.soak
def test_a_repeat_does_not_count_towards_the_outcome_or_take_a_slot(database: Database) -> None:
    images = 120 if SOAK else 80
    with database.write() as session:
        worklist, readers = worklist_with(session, images, readers=2, repeat_share=0.5)
        met = read_all(session, readers[0], worklist, 24)
        assert progress_of(session, readers[0], worklist, ended=True).left == 0
        assert read_all(session, readers[1], worklist) == []
        decisions = decisions_of(session, session.get_one(Worklist, worklist))
    assert purposes(met)["repeat"] > 10
    assert [len(decision.reading_ids) for decision in decisions.values()] == [1] * images


@pytest.mark.slow
def test_a_reload_keeps_the_order_in_which_images_were_handed_out(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = worklist_with(session, 200, repeat_share=0.5)
        read_all_of = [item.key for item in claim(session, NOON, reader, worklist, 120)]
        for key in read_all_of[:100]:
            record_reading(session, CHAIN, NOON, reader, verdict(key))
        held = [item.key for item in claim(session, NOON, reader, worklist, 60)]
        assert [item.key for item in claim(session, NOON, reader, worklist, 60)] == held
        assert held[:20] == read_all_of[100:]


@pytest.mark.slow
@pytest.mark.soak
def test_nothing_that_is_sent_tells_what_comes_back_from_what_is_new(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = worklist_with(session, 150 if SOAK else 80, repeat_share=0.5, real_controls=20)
        fields: dict[str, set[tuple[object, ...]]] = {}
        while held := claim(session, NOON, reader, worklist, 40):
            for item in held:
                row = session.scalars(select(Assignment).where(Assignment.key == item.key)).one()
                what = f"{row.purpose.value} {row.item.purpose.value}"
                seen = (item.shape, item.bits, item.spacing, item.rescale, len(item.key), item.shown_label is None)
                fields.setdefault(what, set()).add(seen)
                record_reading(session, CHAIN, NOON, reader, verdict(item.key))
    assert {"first candidate", "first real_control", "repeat candidate"} <= set(fields)
    assert len(set.union(*fields.values())) == 1


@pytest.mark.slow
def test_a_share_of_what_a_grid_leaves_unmarked_comes_back_singly(database: Database) -> None:
    with database.write() as session:
        worklist, (reader, other) = worklist_with(session, 48, readers=2, grid_audit_share=0.5)
        read_page(session, reader, worklist, 24)
        read_page(session, reader, worklist, 24, Verdict.REJECT)
        assert claim(session, NOON, reader, worklist, 24, "grid") == []
        assert has_waiting_audits(session, reader, worklist)
        assert not has_waiting_audits(session, other, worklist)
        accepted = select(Reading.item_id).where(Reading.verdict == Verdict.ACCEPT, Reading.reader_id == reader)
        unmarked = set(session.scalars(accepted))
        audits = read_all(session, reader, worklist)
        assert not has_waiting_audits(session, reader, worklist)
    assert purposes(audits) == {"grid_audit": len(audits)}
    assert 4 <= len(audits) <= 20
    assert {assignment.item_id for assignment in audits} <= unmarked


@pytest.mark.slow
def test_audits_are_mixed_among_single_images(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = worklist_with(session, 80, grid_audit_share=1.0)
        read_page(session, reader, worklist, 12)
        met = [assignment.purpose.value for assignment in read_all(session, reader, worklist, 24)]
    assert Counter(met) == {"first": 68, "grid_audit": 12}
    assert "grid_audit" in met[:24]
    assert met[:5] == ["first"] * 5


def test_undoing_a_page_takes_its_audits_back(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = worklist_with(session, 12, grid_audit_share=1.0)
        op_ids = read_page(session, reader, worklist, 12)
        assert has_waiting_audits(session, reader, worklist)
        for op_id in op_ids:
            void_reading(session, CHAIN, NOON, reader, new_op_id(), op_id)
        assert not has_waiting_audits(session, reader, worklist)
        assert len(claim(session, NOON, reader, worklist, 12, "grid")) == 12
        assert progress_of(session, reader, worklist).done == 0


def test_a_grid_is_refused_where_no_label_shows_and_a_page_needs_its_id(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = worklist_with(session, 4, label_shown=False)
        with pytest.raises(BadInput, match="one image at a time"):
            claim(session, NOON, reader, worklist, 4, "grid")
        key = claim(session, NOON, reader, worklist, 1)[0].key
        for fields in ({"mode": "grid", "page_id": PAGE}, {"page_id": PAGE}):
            with pytest.raises(BadInput):
                record_reading(session, CHAIN, NOON, reader, verdict(key, **fields))


def test_a_worklist_for_others_is_refused_and_can_be_opened(database: Database) -> None:
    with database.write() as session:
        worklist, (first, second) = worklist_with(session, 4, readers=2)
        set_readers(session, CHAIN, NOON, "w", ["r0"])
        assert len(claim(session, NOON, first, worklist, 2)) == 2
        with pytest.raises(NotAllowed, match="other readers"):
            claim(session, NOON, second, worklist, 2)
        set_readers(session, CHAIN, NOON, "w", [])
        assert len(claim(session, NOON, second, worklist, 2)) == 2


@pytest.mark.slow
@pytest.mark.soak
def test_what_is_left_is_said_in_tens_where_a_count_would_give_repeats_away(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = worklist_with(session, 150 if SOAK else 80, repeat_share=0.5)
        changes: dict[str, set[tuple[int, int]]] = {}
        before = progress_of(session, reader, worklist)
        while held := claim(session, NOON, reader, worklist, 30):
            for item in held:
                record_reading(session, CHAIN, NOON, reader, verdict(item.key))
                now = progress_of(session, reader, worklist)
                row = session.scalars(select(Assignment).where(Assignment.key == item.key)).one()
                changes.setdefault(row.purpose.value, set()).add((now.done - before.done, now.left % 10))
                before = now
        assert progress_of(session, reader, worklist, ended=True).left == 0
    assert changes["first"] == changes["repeat"] == {(1, 0)}
    assert before.left == 10  # until a claim finds nothing, the last first looks and the last repeats look alike


def test_without_anything_that_comes_back_progress_is_exact(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = worklist_with(session, 12, grid_audit_share=1.0)
        assert not progress_of(session, reader, worklist).about
        read_page(session, reader, worklist, 4)
        assert progress_of(session, reader, worklist).about
        read_all(session, reader, worklist)
        progress = progress_of(session, reader, worklist)
    assert (progress.left, progress.about) == (0, False)
