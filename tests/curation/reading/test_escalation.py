"""Unsure opens a slot for another reader, disagreement one for an adjudicator."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.database import Database
from curation.errors import BadInput, Conflict
from curation.reading.claims import claim
from curation.reading.feedback import feedback_after
from curation.reading.outcomes import recompute_outcomes
from curation.reading.progress import Progress, progress_of
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading, void_reading
from curation.tables.images import Image, Split, Subject
from curation.tables.reading import Outcome, Verdict, Worklist
from curation.tables.withdrawals import Affected, AffectedKind, Withdrawal
from curation.worklists.create import close_worklist, create_worklist
from curation.worklists.manage import change_rule, pause_worklist, release_leases, resume_worklist
from tests.curation.reading.test_assignment import both_classes
from tests.curation.reading_room import CHAIN, NOON, add_person, add_screened, verdict
from tests.curation.worklists.test_create import add_real
from tests.operation_ids import new_op_id

ACCEPT, REJECT, UNSURE = Verdict.ACCEPT, Verdict.REJECT, Verdict.UNSURE


def room(session: Session, images: int, readers: int, **recipe: object) -> tuple[int, list[int]]:
    add_screened(session, images)
    made = create_worklist(session, CHAIN, NOON, WorklistRecipe.model_validate({"name": "w", **recipe}))
    return made.id, [add_person(session, f"r{number}") for number in range(readers)]


def say(session: Session, reader: int, worklist: int, answer: Verdict, mode: str = "single", **fields: object) -> str:
    """Read the next image; returns the operation's id."""
    (item, *_) = claim(session, NOON, reader, worklist, 1, mode)  # type: ignore[arg-type]
    op_id = new_op_id()
    record_reading(session, CHAIN, NOON, reader, verdict(item.key, op_id=op_id, answer=answer, **fields))
    return op_id


def outcome(session: Session, worklist: int) -> tuple[str, int, bool]:
    recompute_outcomes(session, worklist)
    row = session.scalars(select(Outcome).where(Outcome.worklist_id == worklist)).one()
    session.expire(row)
    return row.verdict.value, len(row.reading_ids), row.adjudicated


def test_unsure_goes_to_another_reader_until_one_is_sure(database: Database) -> None:
    with database.write() as session:
        worklist, readers = room(session, 1, 3)
        say(session, readers[0], worklist, UNSURE)
        assert outcome(session, worklist)[0] == "unresolved"
        say(session, readers[1], worklist, UNSURE)
        say(session, readers[2], worklist, ACCEPT)
        assert outcome(session, worklist) == ("approved", 3, False)


def test_nobody_more_is_asked_once_five_have_looked(database: Database) -> None:
    with database.write() as session:
        worklist, readers = room(session, 1, 6)
        for reader in readers[:5]:
            say(session, reader, worklist, UNSURE)
        assert claim(session, NOON, readers[5], worklist, 1) == []
        assert outcome(session, worklist)[0] == "unresolved"


def test_an_unsure_that_is_taken_back_takes_its_extra_slot_back(database: Database) -> None:
    with database.write() as session:
        worklist, (first, second) = room(session, 1, 2)
        op_id = say(session, first, worklist, UNSURE)
        void_reading(session, CHAIN, NOON, first, new_op_id(), op_id)
        assert claim(session, NOON, second, worklist, 1) == []
        say(session, first, worklist, ACCEPT)
        assert outcome(session, worklist) == ("approved", 1, False)


def test_agreeing_readers_need_no_adjudicator_and_disagreeing_ones_do(database: Database) -> None:
    with database.write() as session:
        worklist, (first, second, judge) = room(session, 2, 3, readers_per_image=2, rule="adjudicated")
        held = [
            {item.file_sha256: item.key for item in claim(session, NOON, reader, worklist, 2)}
            for reader in (first, second)
        ]
        agreed, disputed = sorted(held[0])
        for reader, keys, answer in ((first, held[0], ACCEPT), (second, held[1], REJECT)):
            record_reading(session, CHAIN, NOON, reader, verdict(keys[agreed], answer=ACCEPT))
            record_reading(session, CHAIN, NOON, reader, verdict(keys[disputed], answer=answer))
        assert claim(session, NOON, first, worklist, 5, "adjudicate") == []  # has read it
        waiting = claim(session, NOON, judge, worklist, 5, "adjudicate")
        assert [item.file_sha256 for item in waiting] == [disputed]
        assert recompute_outcomes(session, worklist) == {"approved": 1, "unresolved": 1}


def test_an_adjudicator_is_blind_first_then_sees_the_others_nameless_and_may_change(database: Database) -> None:
    with database.write() as session:
        worklist, (first, second, judge) = room(session, 1, 3, readers_per_image=2, rule="adjudicated")
        assert feedback_after(session, say(session, first, worklist, ACCEPT)).reveal is None
        say(session, second, worklist, REJECT, reasons=("blur",), comment="soft")
        (item,) = claim(session, NOON, judge, worklist, 1, "adjudicate")
        assert progress_of(session, judge, worklist, "adjudicate").left == 1  # held, and not read yet
        op_id = new_op_id()
        record_reading(session, CHAIN, NOON, judge, verdict(item.key, op_id=op_id, answer=ACCEPT))
        assert outcome(session, worklist) == ("approved", 3, True)
        revealed = feedback_after(session, op_id).reveal
        assert revealed is not None
        assert {(shown.verdict, shown.reasons, shown.comment) for shown in revealed} == {
            (ACCEPT, (), None),
            (REJECT, ("blur",), "soft"),
        }
        with pytest.raises(Conflict, match="shown since"):
            void_reading(session, CHAIN, NOON, judge, new_op_id(), op_id)
        record_reading(session, CHAIN, NOON, judge, verdict(item.key, answer=REJECT, after_reveal=True))
        assert outcome(session, worklist) == ("rejected", 4, True)
        with pytest.raises(Conflict, match="changed this verdict"):
            record_reading(session, CHAIN, NOON, judge, verdict(item.key, answer=ACCEPT, after_reveal=True))


def test_a_reading_cannot_claim_to_come_after_a_reveal(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = room(session, 1, 1)
        (item,) = claim(session, NOON, reader, worklist, 1)
        with pytest.raises(BadInput, match="adjudication"):
            record_reading(session, CHAIN, NOON, reader, verdict(item.key, after_reveal=True))


def test_a_changed_rule_recomputes_outcomes_and_changing_back_gives_the_first_again(database: Database) -> None:
    with database.write() as session:
        worklist, (first, second, third) = room(session, 1, 3, readers_per_image=2, rule="unanimous")
        say(session, first, worklist, ACCEPT)
        say(session, second, worklist, REJECT)
        before = outcome(session, worklist)
        assert before[0] == "rejected"
        assert change_rule(session, CHAIN, NOON, "w", "majority", 3) == {"unresolved": 1}
        say(session, third, worklist, ACCEPT)
        assert change_rule(session, CHAIN, NOON, "w", "majority", 3) == {"approved": 1}
        assert change_rule(session, CHAIN, NOON, "w", "adjudicated", 2) == {"unresolved": 1}
        assert len(claim(session, NOON, add_person(session, "judge"), worklist, 1, "adjudicate")) == 1
        assert change_rule(session, CHAIN, NOON, "w", "unanimous", 2) == {"rejected": 1}
        for kind, readers in (("single", 2), ("majority", 1), ("majority", 6), ("poll", 2)):
            with pytest.raises(BadInput):
                change_rule(session, CHAIN, NOON, "w", kind, readers)


def test_a_rule_with_more_readers_opens_slots_and_one_with_fewer_closes_them(database: Database) -> None:
    with database.write() as session:
        worklist, readers = room(session, 3, 3)
        change_rule(session, CHAIN, NOON, "w", "majority", 3)
        assert [len(claim(session, NOON, reader, worklist, 9)) for reader in readers] == [3, 3, 3]
        assert release_leases(session, CHAIN, NOON, "w") == 9
        change_rule(session, CHAIN, NOON, "w", "single", 1)
        assert [len(claim(session, NOON, reader, worklist, 9)) for reader in readers] == [3, 0, 0]


def test_a_paused_worklist_hands_out_nothing_and_keeps_what_was_read(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = room(session, 4, 1)
        (held,) = claim(session, NOON, reader, worklist, 1)
        pause_worklist(session, CHAIN, NOON, "w")
        assert claim(session, NOON, reader, worklist, 4) == []
        record_reading(session, CHAIN, NOON, reader, verdict(held.key))
        resume_worklist(session, CHAIN, NOON, "w")
        assert len(claim(session, NOON, reader, worklist, 4)) == 3
        close_worklist(session, CHAIN, NOON, "w")
        with pytest.raises(Conflict, match="closed"):
            pause_worklist(session, CHAIN, NOON, "w")


def test_images_taken_back_from_one_reader_go_to_another(database: Database) -> None:
    with database.write() as session:
        worklist, (first, second) = room(session, 6, 2)
        late = claim(session, NOON, first, worklist, 6)
        assert release_leases(session, CHAIN, NOON, "w", "r0") == 6
        assert {item.key for item in claim(session, NOON, second, worklist, 6)} == {item.key for item in late}
        with pytest.raises(Conflict, match="another reader"):
            record_reading(session, CHAIN, NOON, first, verdict(late[0].key))


def test_a_turing_test_takes_a_confidence_and_makes_no_outcome(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = room(session, 2, 1)
        made = session.get_one(Worklist, worklist)
        made.kind = made.kind.TURING
        first, second = claim(session, NOON, reader, worklist, 2)
        for fields in ({}, {"confidence": 2, "answer": ACCEPT}, {"confidence": 5, "answer": REJECT}):
            with pytest.raises(BadInput, match="confidence"):
                record_reading(session, CHAIN, NOON, reader, verdict(first.key, **fields))  # type: ignore[arg-type]
        record_reading(session, CHAIN, NOON, reader, verdict(first.key, answer=REJECT, confidence=1))
        record_reading(session, CHAIN, NOON, reader, verdict(second.key, answer=ACCEPT, confidence=6))
        assert recompute_outcomes(session, worklist) == {}


def test_every_reader_of_a_turing_test_gets_every_image(database: Database) -> None:
    with database.write() as session:
        add_screened(session, 6)
        add_real(session, 6)
        both_classes(session)
        recipe = WorklistRecipe(name="t", kind="turing", real_controls=4)
        worklist = create_worklist(session, CHAIN, NOON, recipe).id
        readers = [add_person(session, f"r{number}") for number in range(3)]
        claimed = [[item.file_sha256 for item in claim(session, NOON, reader, worklist, 20)] for reader in readers]
        assert [progress_of(session, reader, worklist).left for reader in readers] == [10, 10, 10]
    assert [len(set(keys)) for keys in claimed] == [10, 10, 10]
    assert claimed[0] != claimed[1]


def test_an_operation_id_stands_for_one_image_alone(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = room(session, 2, 1)
        first, second = claim(session, NOON, reader, worklist, 2)
        op_id = new_op_id()
        record_reading(session, CHAIN, NOON, reader, verdict(first.key, op_id=op_id))
        with pytest.raises(Conflict, match="in use"):
            record_reading(session, CHAIN, NOON, reader, verdict(second.key, op_id=op_id))


def test_what_can_never_come_to_an_adjudicator_is_not_left_for_them(database: Database) -> None:
    with database.write() as session:
        worklist, (first, second, judge) = room(session, 3, 3, readers_per_image=2, rule="adjudicated")
        for _ in range(3):
            say(session, first, worklist, ACCEPT)
            say(session, second, worklist, REJECT)
        for reader in (first, second):  # an adjudicator who has read all three, as any reader may have
            assert claim(session, NOON, reader, worklist, 5, "adjudicate") == []
            assert progress_of(session, reader, worklist, "adjudicate", ended=True) == Progress(0, 0, 0)
        counts = [progress_of(session, judge, worklist, "adjudicate")]
        for _ in range(3):
            say(session, judge, worklist, ACCEPT, "adjudicate")
            counts.append(progress_of(session, judge, worklist, "adjudicate"))
        assert counts == [Progress(done, 3 - done, 3) for done in range(4)]


def test_an_image_that_was_withdrawn_is_not_given_to_an_adjudicator(database: Database) -> None:
    with database.write() as session:
        worklist, (first, second, judge) = room(session, 2, 3, readers_per_image=2, rule="adjudicated")
        for _ in range(2):
            say(session, first, worklist, ACCEPT)
            say(session, second, worklist, REJECT)
        subject = Subject(key="s", split=Split.TRAIN, known=True)
        session.add(subject)
        session.flush()
        withdrawal = Withdrawal(subject_id=subject.id, reason="asked", plan=[], created_at=NOON)
        session.add(withdrawal)
        session.flush()
        image_id = session.scalars(select(Image.id).where(Image.batch_index == 0)).one()
        session.add(Affected(withdrawal_id=withdrawal.id, kind=AffectedKind.IMAGE, target_id=image_id))
        session.flush()
        assert len(claim(session, NOON, judge, worklist, 5, "adjudicate")) == 1
        assert progress_of(session, judge, worklist, "adjudicate").left == 1


def test_what_can_never_come_to_a_reader_is_not_left_for_them(database: Database) -> None:
    """Two have read the first image, one of them the second: its free slot is for others only."""
    with database.write() as session:
        worklist, (first, second, third) = room(session, 2, 3, readers_per_image=2, rule="unanimous")
        one, other = claim(session, NOON, first, worklist, 2)
        record_reading(session, CHAIN, NOON, first, verdict(one.key))
        held = {item.file_sha256: item.key for item in claim(session, NOON, third, worklist, 2)}
        record_reading(session, CHAIN, NOON, third, verdict(held[one.file_sha256]))
        release_leases(session, CHAIN, NOON, "w")
        (item,) = claim(session, NOON, second, worklist, 2)
        assert item.file_sha256 == other.file_sha256
        record_reading(session, CHAIN, NOON, second, verdict(item.key))
        assert claim(session, NOON, second, worklist, 2) == []
        assert progress_of(session, second, worklist, ended=True).left == 0
        assert progress_of(session, first, worklist, ended=True).left == 1
        close_worklist(session, CHAIN, NOON, "w")
        assert progress_of(session, first, worklist).left == 0
