"""A key of a bound subject, or a near copy, that is changed beside the commands is named."""

from sqlalchemy import select, text

from curation.near_copies.find import find_near_copies
from curation.near_copies.group import bind_subjects, find_alike_subjects
from curation.progress import silent
from curation.project import Project
from curation.tables.images import Split
from curation.tables.operations import Event
from curation.verification.verify import verify_events
from curation.withdrawal.withdraw import withdraw
from tests.curation.near_copies.scans import import_scans, leaky
from tests.curation.reading_room import LATER, NOON
from tests.curation.verification.lived_in import faults_after


def live_with_copies(project: Project) -> None:
    """Import scans that look alike, bind some of their subjects, and import one that looks like a training image."""
    import_scans(project, leaky())
    bind_subjects(project, NOON, find_alike_subjects(project, silent), across_splits=True)
    find_near_copies(project, NOON)
    import_scans(project, [("late", 0, True, Split.TEST)], "later")


COPIES = (
    ("DELETE FROM subject_aliases WHERE key = 'v1'", "a key of a subject bound into it is missing"),
    (
        "UPDATE subject_aliases SET subject_id = (SELECT id FROM subjects WHERE key = 'x3') WHERE key = 'v1'",
        "a key of a subject bound into another leads to it",
    ),
    (
        "INSERT INTO subject_aliases SELECT 'mallory', min(id) FROM subjects",
        "keys of bound subjects: there are 1 that no event names, the events record 0",
    ),
    ("DELETE FROM near_copies", "is missing, an event records it"),
    ("UPDATE near_copies SET correlation = 0.5", "was changed, its event records another content"),
    (
        "INSERT INTO near_copies SELECT max(id), min(id), 0.99 FROM images WHERE id NOT IN"
        " (SELECT image_id FROM near_copies)",
        "was added, no event records it",
    ),
    ("UPDATE near_copy_searches SET through_image_id = 999", "it says that it compared images up to 999"),
)


def test_a_change_of_bound_keys_or_near_copies_is_named(project: Project) -> None:
    live_with_copies(project)
    assert faults_after(project) == []
    for tampering, fault in COPIES:
        faults = faults_after(project, tampering)
        assert len(faults) == 1, (tampering, faults)
        assert fault in faults[0], (tampering, faults)
    for key in ("late", "v1"):
        withdraw(project, LATER, key, "")
        assert faults_after(project) == []


def test_keys_and_near_copies_of_an_earlier_version_are_counted_as_not_covered(project: Project) -> None:
    live_with_copies(project)
    with project.database.write() as session:
        session.execute(text("DELETE FROM events WHERE kind = 'near_copies.searched'"))
        for event in session.scalars(select(Event).where(Event.kind == "subjects.bound")).all():
            event.payload = {name: value for name, value in event.payload.items() if name != "aliases"}
    found = verify_events(project)
    assert [fault for fault in found.faults if not fault.startswith("events:")] == []
    assert {"keys of bound subjects (3)", "near copies (1)"} <= set(found.not_covered)
    assert len(faults_after(project, "DELETE FROM subject_aliases WHERE key = 'v1'")) == 1
