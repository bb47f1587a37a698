"""`rounds status` counts what is there, and only what stands."""

from curation import jobs
from curation.project import Project
from curation.reading.slots import PROXY_SLOT
from curation.status import Status, project_status
from curation.tables.images import BuildStatus, Split
from curation.tables.people import Reader, ReaderKind, Role
from curation.tables.reading import Assignment, AssignmentState, Reading, Verdict, Worklist, WorklistItem
from tests.rows import NOW, add_batch, add_generator, add_import, add_real


def _status(project: Project) -> Status:
    with project.database.read() as session:
        return project_status(session, project, NOW)


def test_an_empty_project_has_none_of_anything(project: Project) -> None:
    status = _status(project)
    assert (status.real, status.subjects, status.synthetic, status.jobs) == ({}, {}, {}, {})
    assert status.readings == {"human": 0, "proxy": 0}


def test_images_are_counted_by_split_and_label_and_unfinished_imports_only_named(project: Project) -> None:
    with project.database.write() as session:
        whole, half = add_import(session, "whole", notice="SIMULATED"), add_import(session, "half")
        half.status = BuildStatus.BUILDING
        for number, (label, split) in enumerate(
            [("normal", Split.TEST), ("normal", Split.TRAIN), ("lesion", Split.TRAIN), ("lesion", Split.TRAIN)]
        ):
            add_real(project, session, whole, number, label, split)
        add_real(project, session, half, 50, "normal", Split.TRAIN)
        add_batch(project, session, add_generator(session, "flow", (), ()), ["normal", "normal", "lesion"])
        jobs.enqueue(session, NOW, "screen", {})
    status = _status(project)
    assert status.real == {"train": {"lesion": 2, "normal": 1}, "test": {"normal": 1}}
    assert status.subjects == {"train": 3, "test": 1}
    assert status.synthetic == {"lesion": 1, "normal": 2}
    assert status.generators == ["flow"]
    assert [(row["drawn"], row["size"], row["status"]) for row in status.batches] == [(3, 3, "ready")]
    assert [(row["source"], row["status"], row["notice"]) for row in status.imports] == [
        ("whole", "ready", "SIMULATED"),
        ("half", "building", None),
    ]
    assert status.jobs == {"queued": 1}


def test_readings_count_by_who_gave_them_and_an_undone_one_does_not(project: Project) -> None:
    with project.database.write() as session:
        [image] = add_batch(project, session, add_generator(session, "flow", (), ()), ["normal"])
        worklist = Worklist(
            name="first",
            status=BuildStatus.READY,
            question="?",
            label_shown=True,
            readers_per_image=2,
            rule={},
            classes=[],
            reasons=[],
            recipe={},
            size=1,
            created_at=NOW,
        )
        session.add(worklist)
        session.flush()
        item = WorklistItem(worklist_id=worklist.id, image_id=image.id, purpose="candidate", position=0)
        session.add(item)
        session.flush()
        for slot, kind, undone in ((0, ReaderKind.HUMAN, True), (PROXY_SLOT, ReaderKind.PROXY, False)):
            reader = Reader(name=kind.value, kind=kind, role=Role.READER, created_at=NOW)
            session.add(reader)
            session.flush()
            state = AssignmentState.LEASED if undone else AssignmentState.DONE
            assignment = Assignment(
                key=f"key-{slot}",
                worklist_id=worklist.id,
                item_id=item.id,
                slot=slot,
                position=0,
                state=state,
                reader_id=reader.id,
            )
            session.add(assignment)
            session.flush()
            shared = {"assignment_id": assignment.id, "item_id": item.id, "reader_id": reader.id, "reasons": []}
            times = {"read_at": NOW, "created_at": NOW}
            first = Reading(op_id=f"{slot}-a", verdict=Verdict.ACCEPT, **shared, **times)
            session.add(first)
            session.flush()
            if undone:
                session.add(Reading(op_id=f"{slot}-b", voids_id=first.id, **shared, **times))
    status = _status(project)
    assert status.readings == {"human": 0, "proxy": 1}
    counts = {"readings_wanted": 1, "readings_by_people": 0, "read_by_proxies": 1}
    assert status.worklists == [{"worklist": "first", "images": 1, **counts, "state": "open"}]
