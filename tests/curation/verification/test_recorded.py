"""A changed or removed measurement or judgement is named by verification, and it alone."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from cli.project import print_verification
from curation.backup.create import back_up
from curation.backup.restore import Places, restore
from curation.database import Database
from curation.pairs.build import close_pair_list, create_pair_list
from curation.pairs.judging import Judgement, find_next_pairs, record_judgement
from curation.pairs.recipe import PairRecipe
from curation.progress import silent
from curation.project import Project
from curation.tables.content import CONTENT
from curation.tables.operations import Event, EventHead
from curation.tables.pairs import PairReading, PairVerdict
from curation.verification.recorded import recorded_faults
from curation.verification.rows import row_faults
from curation.verification.verify import Verification, verify_project
from curation.withdrawal.withdraw import withdraw
from tests.curation.lineage.measured import add_measurement, add_report
from tests.curation.pairs.rows import add_judge, add_suspects, add_training
from tests.operation_ids import new_op_id
from tests.projects import new_project
from tests.rows import NOW
from tests.worlds.recorded import record_rows

pytestmark = pytest.mark.slow  # each test makes a project that was measured and judged

HOUR = timedelta(hours=1)
CHANGED, GONE = "it was changed, its event records another content", "it is missing, an event records it"

# Every column that says something, changed to a value that the schema allows.
CHANGES = (
    ("check_reports", "report of error rates 2", "kind = 'checks'"),
    ("check_reports", "report of error rates 2", "parameters = '{}'"),
    ("check_reports", "report of error rates 2", f"parameters_digest = '{'f' * 64}'"),
    ("check_reports", "report of error rates 2", "status = 'building'"),
    ("check_reports", "report of error rates 2", """result = '{"untouched": 0}'"""),
    ("check_reports", "report of error rates 2", "created_at = '2020-01-01 00:00:00'"),
    ("set_measurements", "measurement of a set 2", "request = '{}'"),
    ("set_measurements", "measurement of a set 2", f"request_digest = '{'f' * 64}'"),
    ("set_measurements", "measurement of a set 2", "status = 'building'"),
    ("set_measurements", "measurement of a set 2", """result = '{"set": "approved"}'"""),
    ("set_measurements", "measurement of a set 2", "created_at = '2020-01-01 00:00:00'"),
    ("pair_lists", "list of pairs 1", "name = 'other'"),
    ("pair_lists", "list of pairs 1", """recipe = '{"same": 9}'"""),
    ("pair_lists", "list of pairs 1", "created_at = '2020-01-01 00:00:00'"),
    ("pairs", "list of pairs 1", "truth = CASE truth WHEN 'same' THEN 'different' ELSE 'same' END"),
    ("pairs", "list of pairs 1", "position = 99"),
    ("pairs", "list of pairs 1", "key = 'x'"),
    ("pairs", "list of pairs 1", "first_image_id = second_image_id"),
    ("pairs", "list of pairs 1", "second_image_id = first_image_id"),
    ("pair_readings", "judgement of a pair 2", "op_id = 'x'"),
    ("pair_readings", "judgement of a pair 2", "verdict = 'different'"),
    ("pair_readings", "judgement of a pair 2", "elapsed_ms = 1"),
    ("pair_readings", "judgement of a pair 2", "read_at = '2020-01-01 00:00:00'"),
    ("pair_readings", "judgement of a pair 2", "created_at = '2020-01-01 00:00:00'"),
    ("pair_readings", "judgement of a pair 2", "pair_id = (SELECT min(id) FROM pairs WHERE id != pair_id)"),
    ("pair_readings", "judgement of a pair 2", "reader_id = 2"),
    ("pair_readings", "judgement of a pair 2", "voids_id = 4"),
)
REMOVED = {
    "report of error rates 2": "DELETE FROM check_reports WHERE id = 2",
    "measurement of a set 1": "DELETE FROM set_measurements WHERE id = 1",
    "judgement of a pair 2": "DELETE FROM pair_readings WHERE id = 2",
}


def judge(session: Session, project: Project, **values: Any) -> str:
    """One row by the first judge: of the next pair, or with `values`; returns its operation."""
    key = values.pop("key", None) or find_next_pairs(session, 1, 1, 1)[0].key
    judgement = Judgement.model_validate({"op_id": new_op_id(), "key": key, "read_at": NOW, "elapsed_ms": 900} | values)
    record_judgement(session, project.chain, NOW, 1, judgement)
    return judgement.op_id


def measured_and_judged(project: Project) -> None:
    """Two reports, two measurements, a list of five pairs; one of its judgements is taken back, and given again."""
    with project.database.write() as session:
        images = add_training(project, session, subjects=6, images_each=2)
        add_suspects(project, session, images[:3], blocked=2)
        for name in ("petra", "paul"):
            add_judge(project, session, name)
    for kind in ("checks", "privacy"):
        add_report(project, kind, NOW)
        add_measurement(project, NOW, batches=[1] if kind == "checks" else [])
    listed = create_pair_list(project, NOW, PairRecipe(name="near", suspects=1, same=2, different=2, seed=1))
    with project.database.write() as session:
        keys = [pair.key for pair in find_next_pairs(session, listed.id, 1, 2)]
        first = judge(session, project, key=keys[0], verdict=PairVerdict.DIFFERENT)
        judge(session, project, key=keys[1], verdict=PairVerdict.SAME)
        judge(session, project, key=keys[0], voids_op_id=first)
        judge(session, project, key=keys[0], verdict=PairVerdict.UNSURE)
    record_rows(project)


@pytest.fixture
def judged(database: Database, tmp_path: Path) -> Iterator[Project]:
    """A project in which things were measured and judged, once on each database."""
    made = new_project(tmp_path / "judged", "judged", database.url, "store")
    measured_and_judged(made)
    yield made
    made.database.dispose()


@pytest.fixture
def judged_here(tmp_path: Path, make_project: Callable[[Path], Project]) -> Iterator[Project]:
    """The same on SQLite."""
    made = make_project(tmp_path / "here")
    measured_and_judged(made)
    yield made
    made.database.dispose()


def whole(project: Project) -> Verification:
    return verify_project(project, silent)


def faults_after(project: Project, *tamperings: str) -> list[str]:
    """What is found while changes are there that are then taken back."""
    with Session(project.database.engine) as session:
        for tampering in tamperings:
            session.execute(text(tampering))
        faults = [*row_faults(session), *recorded_faults(session, project.chain, Counter())]
        session.rollback()
    return faults


def test_a_row_that_was_changed_is_named_and_alone(judged: Project) -> None:
    verification = whole(judged)
    assert (verification.faults, verification.not_covered) == ([], [])
    for table, named, change in CHANGES:
        which = "(SELECT max(id) FROM pairs)" if table == "pairs" else named.split()[-1]
        found_now = faults_after(judged, f"UPDATE {table} SET {change} WHERE id = {which}")
        assert found_now == [f"{named}: {CHANGED}"], change
    assert whole(judged).faults == []


def test_a_row_that_was_removed_is_named_and_alone(judged: Project) -> None:
    for named, tampering in REMOVED.items():
        assert faults_after(judged, tampering) == [f"{named}: {GONE}"]
    readings = "UPDATE pair_readings SET voids_id = NULL", "DELETE FROM pair_readings"
    faults = faults_after(judged, *readings, "DELETE FROM pairs", "DELETE FROM pair_lists")
    assert faults == [f"list of pairs 1: {GONE}", *(f"judgement of a pair {number}: {GONE}" for number in range(1, 5))]


def test_a_pair_that_was_removed_is_seen_even_where_the_size_was_mended(judged: Project) -> None:
    unjudged = (
        "DELETE FROM pairs WHERE id = (SELECT max(id) FROM pairs WHERE id NOT IN (SELECT pair_id FROM pair_readings))"
    )
    [size, digest] = faults_after(judged, unjudged)
    assert "lists of pairs whose size is not the number of their pairs: near" in size
    assert digest == f"list of pairs 1: {CHANGED}"
    assert faults_after(judged, unjudged, "UPDATE pair_lists SET size = 4") == [digest]


def test_a_row_that_came_in_beside_the_commands_is_named(judged: Project) -> None:
    copied = "INSERT INTO pair_readings (id, op_id, pair_id, reader_id, verdict, read_at, created_at)"
    forged = (
        f"{copied} SELECT 99, 'forged', pair_id, 2, 'different', read_at, created_at FROM pair_readings WHERE id = 2"
    )
    assert faults_after(judged, forged) == ["judgement of a pair 99: no event records it"]


def test_what_was_removed_and_measured_anew_under_the_same_number_is_seen(judged_here: Project) -> None:
    with judged_here.database.write() as session:
        session.execute(text("DELETE FROM set_measurements WHERE id = 2"))
    assert add_measurement(judged_here, NOW + HOUR, seed=9) == 2  # SQLite gives the number out again
    assert whole(judged_here).faults == [
        "measurement of a set 2: two events record it, so the row of the first was removed"
    ]


def test_an_event_that_was_altered_is_a_fault_of_the_chain_and_not_the_end_of_the_check(judged_here: Project) -> None:
    with judged_here.database.write() as session:
        for payload, kind in (("[]", "set.measured"), ("{}", "pairs.created")):
            session.execute(text(f"UPDATE events SET payload = '{payload}' WHERE kind = '{kind}'"))
    faults = whole(judged_here).faults
    assert sum(": no event records it" in fault for fault in faults) == 3
    assert sum("was altered, or the one before it was" in fault for fault in faults) == 3
    assert [fault for fault in faults if fault.startswith("events.payload holds values")] == faults[:1]
    assert len(faults) == 7


def _as_an_earlier_version_told(project: Project) -> None:
    """The same chain, recorded anew without the digests of contents."""
    with project.database.write() as session:
        events = [
            (event.kind, event.payload, event.at) for event in session.scalars(select(Event).order_by(Event.sequence))
        ]
        session.execute(delete(Event))
        session.execute(delete(EventHead))
        session.execute(insert(EventHead).values(id=1, count=0, hmac="0" * 64))
        for kind, payload, at in events:
            without = {name: value for name, value in payload.items() if name != CONTENT}
            project.chain.record(session, kind, without, at)
    project.anchors_path.unlink(missing_ok=True)


def test_rows_of_earlier_events_are_counted_as_not_covered_and_are_no_fault(
    judged: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    _as_an_earlier_version_told(judged)
    add_report(judged, at=NOW + HOUR)
    verification = whole(judged)
    assert verification.faults == []
    judged_rows = ["lists of pairs (1)", "judgements of pairs (4)"]
    counts = verification.not_covered
    assert counts[-4:] == ["reports of error rates (2)", "measurements of sets (2)", *judged_rows]
    assert counts[:-4] == ["imports (1)", "generators (1)", "batches (1)", "screenings (1)", "readers (2)"]
    print_verification(verification)
    output = capsys.readouterr().out
    assert "everything that is covered is as it was stored" in output
    assert f"not covered: {', '.join(counts)}: their events, of an earlier version, keep no digest" in output
    assert faults_after(judged, "UPDATE check_reports SET result = '{}', kind = 'x' WHERE id = 1") == []
    assert faults_after(judged, "UPDATE check_reports SET kind = 'x' WHERE id = 3") == [
        f"report of error rates 3: {CHANGED}"
    ]
    with Session(judged.database.engine) as session:
        session.execute(text("DELETE FROM set_measurements WHERE id = 1"))
        bare: Counter[str] = Counter()
        assert [*recorded_faults(session, judged.chain, bare)] == [f"measurement of a set 1: {GONE}"]
        assert bare["measurements of sets"] == 1  # what is gone is a fault, and not counted too
        session.rollback()


def test_closing_a_list_and_withdrawing_a_subject_change_nothing_of_it(judged: Project) -> None:
    withdraw(judged, NOW + HOUR, "s0", "consent withdrawn")
    with judged.database.write() as session:
        close_pair_list(session, judged.chain, NOW + HOUR, "near")
    verification = whole(judged)
    assert (verification.faults, verification.not_covered) == ([], [])
    with judged.database.read() as session:
        assert len(session.scalars(select(PairReading)).all()) == 4


def test_a_restored_backup_holds_what_was_measured_and_judged(judged_here: Project, tmp_path: Path) -> None:
    withdraw(judged_here, NOW + HOUR, "s1", "")
    back_up(judged_here, tmp_path / "kept", NOW + HOUR, silent)
    shutil.copytree(judged_here.root / "secrets", tmp_path / "secrets")
    places = Places(secrets=tmp_path / "secrets")
    restore(tmp_path / "kept", None, tmp_path / "again", places, NOW + 2 * HOUR, silent)
    again = Project.open(tmp_path / "again")
    verification = whole(again)
    assert (verification.faults, verification.not_covered) == ([], [])
    assert faults_after(again, "UPDATE pair_readings SET verdict = 'unsure' WHERE id = 2") == [
        f"judgement of a pair 2: {CHANGED}"
    ]
    again.database.dispose()
