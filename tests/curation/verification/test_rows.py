"""Rows that contradict each other are found, on both databases, and nothing is changed by looking."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from curation.database import Database
from curation.progress import silent
from curation.project import Project
from curation.reading.claims import claim
from curation.reading.outcomes import recompute_outcomes
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading, void_reading
from curation.tables.images import BuildStatus, Image, ImageLabel
from curation.tables.pairs import Pair, PairList, PairTruth
from curation.tables.reading import Outcome, Verdict
from curation.tables.training import Snapshot
from curation.verification.outcomes import frozen_reading_faults, outcome_faults
from curation.verification.outdated_outcomes import outdated_outcomes
from curation.verification.recorded import CHANGED
from curation.verification.rows import row_faults
from curation.verification.verify import verify_project
from curation.worklists.create import close_worklist, create_worklist
from curation.worklists.summaries import list_worklists_anew
from tests.curation.reading_room import (
    CHAIN,
    LATER,
    NOON,
    add_person,
    add_screened,
    claimed,
    read,
    reading_room,
    verdict,
)
from tests.worlds.either_database import copy_either
from tests.worlds.lived_in import lived_in_world, people_reading, readers_of
from tests.worlds.recorded import record_rows

TAMPERINGS = (
    ("UPDATE images SET import_id = NULL WHERE id = 1", "1 real images without an import or a subject: 1"),
    ("UPDATE images SET batch_index = NULL WHERE id = 20", "synthetic images without a batch"),
    ("UPDATE images SET origin = 'altered' WHERE id = 20", "altered images without what they were made from"),
    ("UPDATE images SET file_sha256 = 'short' WHERE id = 3", "whose digests are no SHA-256: 3"),
    (f"UPDATE images SET file_sha256 = '{'g' * 64}' WHERE id = 3", "are no SHA-256: 3"),
    ("UPDATE images SET batch_index = 400 WHERE id = 20", "images beyond the size of their batch: 20"),
    ("UPDATE batches SET size = 31", "finished batches that lack images: 1"),
    ("UPDATE screenings SET batch_id = 2", "screened images of another batch"),
    ("UPDATE worklists SET size = 7", "worklists whose size is not the number of their images: w"),
    ("DELETE FROM pairs WHERE id = 2", "lists of pairs whose size is not the number of their pairs: near"),
    ("UPDATE assignments SET position = 77 WHERE id = 1", "another worklist or place"),
    ("UPDATE assignments SET state = 'leased', lease_until = NULL WHERE id = 9", "leased assignments without"),
    ("UPDATE assignments SET state = 'done' WHERE state = 'open'", "assignments that are done without a reading"),
    ("UPDATE assignments SET state = 'open' WHERE state = 'done'", "assignments that were read and are not done"),
    ("UPDATE readings SET item_id = 25", "readings of another image or reader"),
    ("UPDATE reader_cursors SET done = done + 1", "readers' counts that are not those of their readings"),
    ("DELETE FROM reader_cursors", "readers with readings and no count of them"),
    ("UPDATE snapshots SET digest = NULL", "finished snapshots without a digest: first"),
    ("DELETE FROM snapshot_items", "finished snapshots without images: first"),
    ("DELETE FROM assignments WHERE state = 'open'", "since their places were removed (worklist/image): w/"),
    ("UPDATE subjects SET split = 'test'", "in a split that is not their subject's"),
)


@pytest.fixture
def room(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[Project]:
    """Three images read, one of them taken back, one leased; outcomes worked out."""
    project = copy_either(request, *lived_in_world(30), tmp_path / "project")
    ada = readers_of(project)[0]
    with project.database.write() as session:
        held = claim(session, NOON, ada, 1, 4)
        requests = [verdict(item.key, answer=answer) for item, answer in zip(held, [*Verdict], strict=False)]
        for request in requests:
            record_reading(session, project.chain, NOON, ada, request)
        recompute_outcomes(session, 1)
        void_reading(session, project.chain, NOON, ada, "f" * 32, requests[0].op_id)
        session.execute(
            text("INSERT INTO batches SELECT 2, generator_id, request, 'other', 0, status, created_at FROM batches")
        )
        near = PairList(id=1, name="near", recipe={}, status=BuildStatus.READY, size=2, created_at=NOON)
        session.add(near)
        session.flush()
        for place in (1, 2):
            seen = {"truth": PairTruth.DIFFERENT, "first_image_id": 1, "second_image_id": 2}
            session.add(Pair(id=place, key=f"pair-{place}", pair_list_id=1, position=place, **seen))
        project.chain.record(session, "pairs.created", {"pair_list": 1}, NOON)
    record_rows(project)
    yield project
    project.database.dispose()


def faults_after(project: Project, tampering: str) -> list[str]:
    """What is found while a change is there that is then taken back."""
    with Session(project.database.engine) as session:
        session.execute(text(tampering))
        faults = [*row_faults(session), *outcome_faults(session), *frozen_reading_faults(session)]
        session.rollback()
    return faults


@pytest.mark.slow
def test_each_contradiction_is_named_and_alone_it_is_the_only_one(room: Project) -> None:
    assert verify_project(room, silent).faults == []
    for tampering, fault in TAMPERINGS:
        faults = faults_after(room, tampering)
        assert any(fault in line for line in faults), (tampering, faults)
    assert verify_project(room, silent).faults == []


def test_an_outcome_is_held_against_the_readings_it_names_and_not_against_later_ones(room: Project) -> None:
    with room.database.read() as session:
        verdicts = {row.image_id: row.verdict for row in session.scalars(select(Outcome))}
        assert [*outcome_faults(session)] == []  # one rests on a reading that was taken back since: old, not wrong
    assert len(verdicts) == 3
    turned = (
        "UPDATE outcomes SET verdict = CASE verdict WHEN 'approved' THEN 'rejected' ELSE 'approved' END, label = NULL"
    )
    assert len(faults_after(room, turned)) == 3
    [fault, *_] = faults_after(room, "UPDATE outcomes SET reading_ids = '[99999]'")
    assert "readings it rests on are missing: [99999]" in fault
    [unknown, *_] = faults_after(room, "UPDATE outcomes SET rule_digest = 'other'")
    assert "its rule is none that Rounds knows" in unknown
    [control, *_] = faults_after(room, "UPDATE worklist_items SET purpose = 'gate_audit'")
    assert "no candidate of that worklist" in control


@pytest.mark.slow
def test_outcomes_that_were_removed_are_told_while_reading_and_a_fault_once_the_worklist_is_closed(
    room: Project,
) -> None:
    """Three are stored, one of which rests on a reading that was taken back since."""
    line = "worklist 'w': the stored outcome of {} images ({}) is missing, or is not what its readings give now"
    with room.database.read() as session:
        rested = session.execute(select(Outcome.reading_ids, Outcome.image_id)).all()
        first, *others = (image_id for _, image_id in sorted(rested))
        [old] = outdated_outcomes(session)
    assert (old.line.startswith(line.format(1, first)), old.closed) == (True, False)
    with room.database.write() as session:
        session.execute(text("DELETE FROM outcomes"))
    result = verify_project(room, silent)
    named = ", ".join(map(str, sorted(others)))
    assert (result.faults, result.outdated[0].startswith(line.format(2, named))) == ([], True)
    with room.database.write() as session:
        close_worklist(session, room.chain, NOON, "w")
    again = verify_project(room, silent)
    assert (again.faults, again.outdated) == ([], [])
    with room.database.write() as session:
        session.execute(text("DELETE FROM outcomes"))
    [fault] = verify_project(room, silent).faults
    assert fault.startswith(line.format(2, named))
    assert fault.endswith("`rounds worklist list` works them out again")
    with room.database.write() as session:
        list_worklists_anew(session)
    assert verify_project(room, silent).faults == []


@pytest.mark.slow
def test_frozen_readings_that_are_gone_are_counted(room: Project) -> None:
    with room.database.write() as session:
        session.scalars(select(Snapshot)).one().reading_ids = [1, 2, 99_998, 99_999]
    [fault, recorded] = verify_project(room, silent).faults
    assert fault == "snapshot 'first': 2 of the 4 readings it rests on are missing"
    assert recorded == f"snapshot 1: {CHANGED}"


@pytest.mark.slow
def test_a_project_in_which_people_read_has_no_faults(room: Project) -> None:
    with people_reading(room, [1, 2]):
        for _ in range(3):
            assert verify_project(room, silent).faults == []


def test_an_outcome_says_what_differs_and_may_not_leave_out_a_reading(database: Database) -> None:
    worklist, [ada, ben] = reading_room(database, images=1, readers=2, readers_per_image=2)
    answers = ((ada, Verdict.ACCEPT, NOON), (ben, Verdict.REJECT, LATER))
    keys = [claimed(database, reader, worklist, 1)[0] for reader, _, _ in answers]
    with database.write() as session:
        for key, (reader, answer, at) in zip(keys, answers, strict=True):
            record_reading(session, CHAIN, at, reader, verdict(key, answer=answer))
        recompute_outcomes(session, worklist)
    by_rule = "under the rule majority 2"
    changed = (
        (
            {"verdict": "approved", "label": "b"},
            f"it says approved, its readings give unresolved {by_rule}; "
            f"its corrected class is b, its readings give none {by_rule}",
        ),
        ({"grid": True}, f"that it rests on a page of the grid is True, its readings give False {by_rule}"),
        ({"reading_ids": [2]}, "it leaves out readings that stood before those it names: [1]"),
    )
    for values, fault in changed:
        with Session(database.engine) as session:
            assert [*outcome_faults(session)] == []
            session.execute(update(Outcome).values(**values))
            assert [*outcome_faults(session)] == [f"outcome of image 1 in worklist 1: {fault}"]
            session.rollback()


def test_the_outcome_of_a_withdrawn_image_is_not_held_against_the_class_that_was_asked_for(database: Database) -> None:
    """Where the class was not shown, a reader names it each time; a withdrawal removes what it is compared with."""
    recipe = WorklistRecipe(name="w", label_shown=False)
    with database.write() as session:
        add_screened(session, 2)
        worklist = create_worklist(session, CHAIN, NOON, recipe).id
        ada = add_person(session, "ada")
    for key in claimed(database, ada, worklist, 2):
        read(database, ada, key, corrected_label="a")
    with database.write() as session:
        recompute_outcomes(session, worklist)
        assert [*outcome_faults(session)] == []
        session.execute(delete(ImageLabel))
        session.execute(update(Image).values(withdrawn_at=LATER))
    with database.read() as session:
        assert [*outcome_faults(session)] == []
