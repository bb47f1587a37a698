"""The statistics of a worklist rest on what people read blind in it, and on nothing else."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.database import Database
from curation.errors import BadInput
from curation.reader_study.report import reader_study
from curation.reader_study.table import load_study_table
from curation.readers.consent import withdraw_consent
from curation.reading.claims import claim
from curation.reading.proxy_slots import open_proxy_slots
from curation.reading.reading_list import list_readable_worklists
from curation.reading.record import record_reading, void_reading
from curation.tables.people import Consent, Reader, ReaderKind
from curation.tables.reading import Assignment, Purpose, Verdict, WorklistItem
from tests.curation.reading.test_assignment import read_page, worklist_with
from tests.curation.reading.test_practice import practised
from tests.curation.reading_room import CHAIN, NOON, add_person, verdict
from tests.operation_ids import new_op_id


def read_by_truth(session: Session, reader: int, worklist: int) -> None:
    """Reject candidates of class b, accept the rest."""
    start = NOON
    while held := claim(session, NOON, reader, worklist, 20):
        for item in held:
            answer = Verdict.REJECT if item.shown_label == "b" else Verdict.ACCEPT
            start += timedelta(seconds=10)
            record_reading(
                session, CHAIN, NOON, reader, verdict(item.key, answer=answer, read_at=start, elapsed_ms=1_500)
            )


@pytest.mark.slow
def test_the_study_counts_blind_human_readings_and_says_what_it_left_out(database: Database) -> None:
    with database.write() as session:
        recipe = {"readers_per_image": 2, "rule": "majority", "real_controls": 12, "grid_audit_share": 0.0}
        worklist, (first, second, third) = worklist_with(session, 40, readers=3, **recipe)
        read_by_truth(session, first, worklist)
        read_by_truth(session, second, worklist)
        op_ids = read_page(session, third, worklist, 6)
        void_reading(session, CHAIN, NOON, third, new_op_id(), op_ids[0])
        proxy = session.get_one(Reader, add_person(session, "p", ReaderKind.PROXY))
        open_proxy_slots(session, proxy, worklist)
        for item in claim(session, NOON, proxy.id, worklist, 5):
            record_reading(session, CHAIN, NOON, proxy.id, verdict(item.key))
        study = reader_study(session, worklist)
    assert study.readers == ("r0", "r1")
    assert study.readings == 2 * (40 + 12)
    assert study.grid_readings == 5
    by_question = {result.question: result for result in study.agreements}
    assert by_question["verdict"].alpha.value == 1
    assert by_question["verdict"].alpha.n == 40
    assert by_question["verdict unsure"].alpha.how == "not defined: too little varies"
    assert {result.d_prime.how for result in study.detections} == {
        "too few: 0 defects and 12 real images read blind, 50 of each needed"
    }
    assert [result.false_rejects.n for result in study.detections] == [12, 12]
    assert study.turing is None
    lines = list(study.figures())
    assert {line.note for line in lines if line.value is None} >= {"too few: 0 of 10 needed"}
    assert all(line.low is None or line.low <= line.value <= line.high for line in lines if line.value is not None)


def test_a_reader_who_withdrew_leaves_the_statistics_and_is_counted(database: Database) -> None:
    with database.write() as session:
        worklist, (first, second) = worklist_with(session, 10, readers=2)
        for reader in (first, second):
            session.add(Consent(reader_id=reader, version="1", experience={}, display={}, agreed_at=NOON))
            for item in claim(session, NOON, reader, worklist, 4):
                record_reading(session, CHAIN, NOON, reader, verdict(item.key))
        assert len(load_study_table(session, worklist).rows) == 8
        withdraw_consent(session, CHAIN, NOON, first)
        study = load_study_table(session, worklist)
    assert study.withdrawn == 1
    assert {row.reader for row in study.rows} == {"r1"}
    assert len(study.rows) == 4


def test_what_a_row_says_of_its_image_is_what_the_worklist_says(database: Database) -> None:
    with database.write() as session:
        worklist, (reader,) = worklist_with(session, 8, real_controls=4)
        read_by_truth(session, reader, worklist)
        items = {item.id: item for item in session.scalars(select(WorklistItem))}
        rows = load_study_table(session, worklist).rows
        sequences = dict(session.execute(select(Assignment.item_id, Assignment.sequence)).all())
    assert len(rows) == 12
    for row in rows:
        assert (row.purpose, row.truth) == (items[row.item_id].purpose, items[row.item_id].truth)
        assert (row.asked is None) == (row.purpose is Purpose.REAL_CONTROL)
        assert row.sequence == sequences[row.item_id]


def test_practice_enters_no_statistics(database: Database) -> None:
    with database.write() as session:
        _, reader = practised(session)
        (practice,) = list_readable_worklists(session, reader, may_adjudicate=False)
        with pytest.raises(BadInput, match="is practice"):
            reader_study(session, practice.id)
