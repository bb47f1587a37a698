"""A row that is changed beside the commands is named, whatever else is changed to match."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from curation.progress import silent
from curation.project import Project
from curation.readers.accounts import (
    add_reader,
    deactivate_reader,
)
from curation.tables.content import COLUMNS
from curation.tables.operations import Event
from curation.tables.people import Role
from curation.tables.recorded import RECORDED
from curation.tables.schema import metadata
from curation.verification.verify import verify_events, verify_project
from tests.curation.reading_room import LATER
from tests.curation.verification.lived_in import faults_after, make_lived_in_study_room
from tests.worlds.either_database import copy_either

CHANGED = "it was changed, its event records another content"
MISSING = "it is missing, an event records it"
UNRECORDED = "no event records it"
ALTERED = "(SELECT min(id) FROM images WHERE origin = 'altered')"
CONTROL = "(SELECT min(id) FROM worklist_items WHERE purpose = 'defect_control' AND worklist_id = 1)"
REAL = "(SELECT min(id) FROM images WHERE origin = 'real' AND withdrawn_at IS NULL)"
UNREAD = (  # a reading that nobody took back goes, and with it every count of it
    "DELETE FROM outcomes",
    "DELETE FROM readings WHERE id = 2",
    "UPDATE assignments SET state = 'leased' WHERE id = (SELECT assignment_id FROM readings WHERE id = 2)",
    "UPDATE reader_cursors SET done = done - 1, pooled_done = pooled_done - 1",
)
SIGN_IN = "INSERT INTO sign_ins (reader_id, token_sha256, csrf_token, created_at, last_seen_at, expires_at)"

# What is done beside the commands, and the one line that must name it.
ATTACKS: tuple[tuple[str | tuple[str, ...], str], ...] = (
    ("UPDATE readings SET verdict = 'accept' WHERE id = 2", f"reading 2: {CHANGED}"),
    (
        (
            "UPDATE readings SET verdict = 'accept' WHERE id = 2",
            "UPDATE outcomes SET verdict = 'approved' WHERE verdict = 'rejected'",
        ),
        f"reading 2: {CHANGED}",
    ),
    ("UPDATE readings SET comment = 'fine' WHERE id = 2", f"reading 2: {CHANGED}"),
    ("UPDATE readings SET read_at = '2020-01-01 00:00:00' WHERE id = 2", f"reading 2: {CHANGED}"),
    (UNREAD, f"reading 2: {MISSING}"),
    (
        "UPDATE assignments SET purpose = 'repeat' WHERE id = (SELECT assignment_id FROM readings WHERE id = 2)",
        f"reading 2: {CHANGED}",
    ),
    (f"UPDATE worklist_items SET truth = 'blur' WHERE id = {CONTROL}", f"of worklist 1: {CHANGED}"),
    (f"UPDATE worklist_items SET purpose = 'candidate' WHERE id = {CONTROL}", f"of worklist 1: {CHANGED}"),
    ('UPDATE worklists SET rule = \'{"kind": "single", "readers": 1}\' WHERE id = 1', f"worklist 1: {CHANGED}"),
    (f"UPDATE images SET alteration = '{{}}' WHERE id = {ALTERED}", "altered image "),
    (f"UPDATE images SET altered_from_id = {REAL} + 1 WHERE id = {ALTERED}", "altered image "),
    (f"UPDATE images SET spacing_row_mm = 3 WHERE id = {ALTERED}", "altered image "),
    ("UPDATE worklists SET closed_at = NULL WHERE id = 1", f"worklist 1: {CHANGED}"),
    ("DELETE FROM worklist_readers", f"worklist 1: {CHANGED}"),
    ("DELETE FROM consents WHERE id = 1", f"consent 1: {MISSING}"),
    ("UPDATE consents SET withdrawn_at = NULL WHERE id = 2", f"consent 2: {CHANGED}"),
    (
        "UPDATE readers SET role = 'administrator' WHERE id = 2",
        f"reader 2: {CHANGED}: its role is administrator",
    ),
    ("UPDATE readers SET password_hash = 'x' WHERE id = 2", f"reader 2: {CHANGED}"),
    ("UPDATE readers SET kind = 'proxy' WHERE id = 2", f"reader 2: {CHANGED}"),
    (
        "INSERT INTO readers (id, name, kind, role, must_change_password, active, failed_sign_ins, created_at)"
        " SELECT 99, 'eve', kind, 'administrator', must_change_password, active, 0, created_at FROM readers"
        " WHERE id = 1",
        f"reader 99: {UNRECORDED}",
    ),
    (
        f"{SIGN_IN} SELECT reader_id, 'forged', csrf_token, created_at, last_seen_at, expires_at FROM sign_ins"
        " WHERE id = 1",
        f"sign-in 6: {UNRECORDED}",
    ),
    (
        f"UPDATE subjects SET split = 'test' WHERE id = (SELECT subject_id FROM images WHERE id = {REAL})",
        f"of import 1: {CHANGED}",
    ),
    (f"UPDATE image_labels SET value = 0 WHERE image_id = {REAL}", f"of import 1: {CHANGED}"),
    (f"UPDATE images SET pixel_sha256 = '{'f' * 64}' WHERE id = {REAL}", f"of import 1: {CHANGED}"),
    (f"UPDATE images SET withdrawn_at = created_at WHERE id = {REAL}", f"of import 1: {CHANGED}"),
    ("UPDATE images SET withdrawn_at = NULL WHERE withdrawn_at IS NOT NULL", f"of import 2: {CHANGED}"),
    ("UPDATE imports SET notice = NULL WHERE id = 1", f"import 1: {CHANGED}"),
    ("UPDATE image_labels SET value = 0 WHERE image_id = 3", f"image 3 of batch 1: {CHANGED}"),
    ("UPDATE batches SET request = '{\"seed\": 9}'", f"batch 1: {CHANGED}"),
    ("UPDATE screened_images SET verdict = 'block' WHERE image_id = 3", f"image 3 of screening 1: {CHANGED}"),
    ("DELETE FROM screened_images WHERE image_id = 3", f"image 3 of screening 1: {MISSING}"),
    ("UPDATE screenings SET parameters = '{}', parameters_digest = 'x'", f"screening 1: {CHANGED}"),
    ("UPDATE generators SET card = '{\"fitted_on\": {}}'", f"generator 1: {CHANGED}"),
    ("INSERT INTO generator_pixels VALUES (1, 'x')", f"generator 1: {CHANGED}"),
    ("UPDATE snapshots SET recipe = '{}'", f"snapshot 1: {CHANGED}"),
    ("UPDATE snapshot_items SET weight = 9 WHERE image_id = (SELECT min(image_id) FROM snapshot_items)", CHANGED),
    ("UPDATE runs SET metrics = '{\"auroc\": 0.99}'", f"run 1: {CHANGED}"),
    ("UPDATE evaluations SET metrics = '{\"auroc\": 0.99}'", f"evaluation 1: {CHANGED}"),
    ("DELETE FROM evaluations", f"evaluation 1: {MISSING}"),
    ("UPDATE studies SET result = '{\"gain\": true}'", f"study 1: {CHANGED}"),
    ("UPDATE withdrawals SET plan = '[]'", f"withdrawal 1: {CHANGED}"),
    ("DELETE FROM affected WHERE kind = 'snapshot'", "withdrawal 1: its mark on snapshot 1 is missing"),
    (
        "UPDATE subjects SET withdrawn_at = NULL",
        "it is not marked as withdrawn, event",
    ),
    (
        "UPDATE subjects SET withdrawn_at = '2026-01-01 00:00:00' WHERE id = (SELECT max(id) FROM subjects)",
        "it is marked as withdrawn, no event records its withdrawal",
    ),
    ("UPDATE sign_ins SET revoked_at = NULL WHERE id = 2", "sign-in 2: it is not ended, event"),
    ("UPDATE sign_ins SET revoked_at = NULL WHERE id = 3", "sign-in 3: it is not ended, event"),
    ("UPDATE sign_ins SET revoked_at = NULL WHERE id = 4", "(reader.password_changed) ended it"),
    ("UPDATE vocabularies SET reasons = '[]'", "vocabulary 'ours': it was changed, or no event records it"),
    ("DELETE FROM vocabularies", f"{MISSING}, or it was changed"),
)

# Columns that no event covers, and why.
LEFT_OUT = {
    "assignments": "leases are work under way; a reading covers the slot that it answers",
    "reader_cursors": "counts of readings, which verification counts again",
    "outcomes": "decided again from the readings, which are covered",
    "jobs": "work under way",
    "events": "the chain itself",
    "event_heads": "the chain itself",
    "subjects": "covered with each of their images; whether one is withdrawn by the events of withdrawals",
    "labels": "covered with each image that has one",
    "image_labels": "covered with their image",
    "masks": "covered with their image",
    "image_captions": "covered with their image",
    "generator_subjects": "covered with their generator",
    "generator_pixels": "covered with their generator",
    "worklist_readers": "covered with their worklist",
    "screened_images": "covered with their screening",
    "screening_checks": "covered with their screening",
    "affected": "named by the event of the withdrawal; marks inherited later are derived",
    "pairs": "covered with their list",
    "near_copies": "held against the events of the searches that found them",
    "near_copy_searches": "one that claims more than the events is a fault; without one all is searched anew",
    "subject_aliases": "held against the events of binding",
    "vocabularies": "covered by what they say; when one was made is in its event",
    "readers.failed_sign_ins": "wrong passwords change it",
    "readers.locked_until": "wrong passwords change it",
    "readers.unlocked_at": "unlocking is an event",
    "readers.devices_since": "signing out everywhere is an event",
    "sign_ins.last_seen_at": "every request changes it",
    "sign_ins.revoked_at": "held against the events that end sign-ins",
    "pair_lists.closed_at": "closing is an event",
    "worklist_items.worklist_id": "the worklist's members are read by it",
    "snapshot_items.snapshot_id": "the snapshot's items are read by it",
    "snapshot_items.image_id": "the id of the member",
}


@pytest.fixture
def room(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[Project]:
    """A copy of it, once on SQLite and once on PostgreSQL."""
    project = copy_either(request, "lived-in-study-room", make_lived_in_study_room, tmp_path / "project")
    yield project
    project.database.dispose()


@pytest.mark.slow
def test_every_change_beside_the_commands_is_named_with_its_place(room: Project) -> None:
    assert verify_events(room).faults == []
    for tampering, fault in ATTACKS:
        faults = faults_after(room, *((tampering,) if isinstance(tampering, str) else tampering))
        assert any(fault in line for line in faults), (tampering, faults)
        assert len(faults) <= 4, (tampering, faults)
    assert verify_events(room).faults == []


def test_a_change_is_not_sealed_by_the_next_event_of_its_row(room: Project) -> None:
    with room.database.write() as session:
        session.execute(text("UPDATE readers SET role = 'administrator' WHERE id = 2"))
        add_reader(session, room.chain, LATER, "carol", "a long enough password", role=Role.ADMINISTRATOR)
        deactivate_reader(session, room.chain, LATER, "ben")
    [fault] = verify_events(room).faults
    assert fault.startswith("reader 2: it was changed before event ")


def test_what_events_of_an_earlier_version_say_in_so_many_words_is_checked_too(room: Project) -> None:
    told = {"reader": 2, "by": None, "role": "reader"}
    with room.database.write() as session:
        for event in session.scalars(
            select(Event).where(Event.kind.in_(["reader.added", "reader.role_changed"]))
        ).all():
            event.payload = {name: value for name, value in event.payload.items() if not name.startswith("content")}
        room.chain.record(session, "reader.role_changed", told, LATER)
    faults = [fault for fault in verify_events(room).faults if not fault.startswith("events:")]
    [number] = {event for fault in faults for event in [fault.split("event ")[1].split()[0]]}
    assert faults == [f"reader 2: its role is curator, event {number} says reader"]


@pytest.mark.slow
def test_both_commands_look(room: Project) -> None:
    with room.database.write() as session:
        session.execute(text("UPDATE readings SET corrected_label = 'b' WHERE id = 2"))
    assert verify_events(room).faults == [f"reading 2: {CHANGED}"]
    assert f"reading 2: {CHANGED}" in verify_project(room, silent).faults


def test_every_column_is_covered_or_it_is_said_why_not() -> None:
    own = {table.model.__tablename__ for table in RECORDED if table.own_content is not None}
    covered = {f"{model.__tablename__}.{name}" for model, names in COLUMNS.items() for name in names}
    for table in metadata.tables.values():
        for column in table.columns:
            name = f"{table.name}.{column.name}"
            known = column.name == "id" or name in covered or table.name in own
            assert known or name in LEFT_OUT or table.name in LEFT_OUT, name
