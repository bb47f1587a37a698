"""Practice comes first and tells what was right; nothing read in it counts anywhere."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.alterations.replay import PIXEL_DEFECTS, WRONG_LABEL
from curation.database import Database
from curation.errors import BadInput, Conflict, NotAllowed
from curation.reading.claims import claim
from curation.reading.feedback import DEFECTS, feedback_after
from curation.reading.outcomes import decisions_of
from curation.reading.proxy_slots import open_proxy_slots
from curation.reading.reading_list import list_readable_worklists
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading, void_reading
from curation.tables.images import Image, Split, Subject
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Purpose, Verdict, Worklist, WorklistItem, WorklistKind
from curation.worklists.create import close_worklist, create_worklist
from curation.worklists.manage import pause_worklist, resume_worklist, set_readers
from curation.worklists.summaries import list_worklists
from tests.curation.reading.test_assignment import both_classes
from tests.curation.reading_room import CHAIN, NOON, add_person, add_screened, verdict
from tests.curation.worklists.test_create import add_real
from tests.operation_ids import new_op_id


def practised(session: Session, **recipe: object) -> tuple[int, int]:
    """A worklist with four practice images, all wrong labels or real since no defect is planted; and a reader."""
    add_screened(session, 6)
    add_real(session, 20, Split.TRAIN)
    both_classes(session)
    made = create_worklist(session, CHAIN, NOON, WorklistRecipe.model_validate({"name": "w", "practice": 4, **recipe}))
    return made.id, add_person(session, "r")


def test_practice_stands_in_a_worklists_place_until_it_is_done(database: Database) -> None:
    with database.write() as session:
        worklist, reader = practised(session)
        (practice,) = list_readable_worklists(session, reader, may_adjudicate=False)
        assert (practice.kind, practice.practice_left, practice.modes) == ("practice", 4, ("single",))
        for left, item in zip((3, 2, 1), claim(session, NOON, reader, practice.id, 4), strict=False):
            record_reading(session, CHAIN, NOON, reader, verdict(item.key))
            assert list_readable_worklists(session, reader, may_adjudicate=False)[0].practice_left == left
        (last,) = claim(session, NOON, reader, practice.id, 4)
        record_reading(session, CHAIN, NOON, reader, verdict(last.key))
        (counted,) = list_readable_worklists(session, reader, may_adjudicate=False)
        assert (counted.id, counted.kind, counted.practice_left) == (worklist, "verdict", None)


def test_practice_tells_what_was_right_and_a_worklist_that_counts_tells_nothing(database: Database) -> None:
    with database.write() as session:
        worklist, reader = practised(session)
        (practice,) = list_readable_worklists(session, reader, may_adjudicate=False)
        with pytest.raises(NotAllowed, match="practice"):
            claim(session, NOON, reader, worklist, 1)
        right_by_truth = {}
        for item in claim(session, NOON, reader, practice.id, 4):
            op_id = new_op_id()
            record_reading(session, CHAIN, NOON, reader, verdict(item.key, op_id=op_id, answer=Verdict.ACCEPT))
            feedback = feedback_after(session, op_id).feedback
            assert feedback is not None
            right_by_truth.setdefault(feedback.truth, []).append(feedback.right)
        assert right_by_truth["real"] == [True] * len(right_by_truth["real"])
        assert not any(right_by_truth.get("defect", []))
        (item, *_) = claim(session, NOON, reader, worklist, 1)
        op_id = new_op_id()
        record_reading(session, CHAIN, NOON, reader, verdict(item.key, op_id=op_id))
        assert feedback_after(session, op_id) == feedback_after(session, new_op_id())


def test_every_planted_defect_has_a_sentence_for_practice() -> None:
    assert set(DEFECTS) == {*PIXEL_DEFECTS, WRONG_LABEL}


def test_practice_shows_training_subjects_alone_and_settles_nothing(database: Database) -> None:
    with database.write() as session:
        _, reader = practised(session)
        practice = session.scalars(select(Worklist).where(Worklist.kind == WorklistKind.PRACTICE)).one()
        shown = select(Subject.split, WorklistItem.purpose).join(Image, Image.subject_id == Subject.id)
        rows = session.execute(
            shown.join(WorklistItem, WorklistItem.image_id == Image.id).where(WorklistItem.worklist_id == practice.id)
        ).all()
        assert {row.split for row in rows} == {Split.TRAIN}
        assert Purpose.CANDIDATE not in {row.purpose for row in rows}
        for item in claim(session, NOON, reader, practice.id, 4):
            record_reading(session, CHAIN, NOON, reader, verdict(item.key))
        assert decisions_of(session, practice) == {}
        assert [row.name for row in list_worklists(session)] == ["w"]


def test_an_answer_once_told_cannot_be_taken_back(database: Database) -> None:
    with database.write() as session:
        _, reader = practised(session)
        (practice,) = list_readable_worklists(session, reader, may_adjudicate=False)
        (item, *_) = claim(session, NOON, reader, practice.id, 1)
        op_id = new_op_id()
        record_reading(session, CHAIN, NOON, reader, verdict(item.key, op_id=op_id))
        with pytest.raises(Conflict, match="answer were shown"):
            void_reading(session, CHAIN, NOON, reader, new_op_id(), op_id)


def test_a_proxy_neither_practises_nor_takes_a_turing_test(database: Database) -> None:
    with database.write() as session:
        _, reader = practised(session)
        (practice,) = list_readable_worklists(session, reader, may_adjudicate=False)
        proxy = session.get_one(Reader, add_person(session, "p", ReaderKind.PROXY))
        with pytest.raises(BadInput, match="proxy"):
            open_proxy_slots(session, proxy, practice.id)


def test_a_reader_is_offered_what_is_open_to_them_and_how_they_may_read_it(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 4)
        first, second = (add_person(session, name) for name in ("r0", "r1"))
        for name, recipe in (("open", {}), ("blind", {"label_shown": False}), ("named", {"readers": ("r0",)})):
            create_worklist(session, CHAIN, NOON, WorklistRecipe.model_validate({"name": name, **recipe}))
        judged = {"name": "judged", "rule": "adjudicated", "readers_per_image": 2}
        create_worklist(session, CHAIN, NOON, WorklistRecipe.model_validate(judged))

        def offered(reader: int, may_adjudicate: bool = False) -> dict[str, tuple[str, ...]]:
            return {
                worklist.name: worklist.modes for worklist in list_readable_worklists(session, reader, may_adjudicate)
            }

        assert offered(first)["open"] == ("single", "grid")
        assert offered(first)["blind"] == ("single",)
        assert set(offered(first)) == {"open", "blind", "named", "judged"}
        assert set(offered(second)) == {"open", "blind", "judged"}
        assert "adjudicate" in offered(second, may_adjudicate=True)["judged"]
        assert "adjudicate" not in offered(second)["judged"]
        pause_worklist(session, CHAIN, NOON, "open")
        close_worklist(session, CHAIN, NOON, "blind")
        set_readers(session, CHAIN, NOON, "judged", ["r1"])
        assert set(offered(first)) == {"named"}
        resume_worklist(session, CHAIN, NOON, "open")
        assert set(offered(first)) == {"named", "open"}
