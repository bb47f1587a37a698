"""Things are removed with their files, their events stay, and what something descends from stays too."""

import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import func, select

import curation.removal.remove
from curation.digests import digest_of
from curation.errors import Conflict, NotFound
from curation.jobs import enqueue
from curation.lineage.graph import NodeKind
from curation.lineage.naming import find_node
from curation.locks import being_made, is_being_made
from curation.progress import silent
from curation.project import Project
from curation.removal.remove import plan_removal, remove
from curation.tables.operations import Event
from curation.tables.training import Run, Snapshot, SnapshotItem
from curation.tables.withdrawals import Affected, AffectedKind
from curation.verification.verify import verify_project
from curation.withdrawal.withdraw import withdraw
from tests.processes import fork
from tests.rows import NOW
from tests.worlds.lineage import snapshot


def faults(project: Project) -> list[str]:
    return verify_project(project, silent).faults


def removals(project: Project) -> list[Event]:
    with project.database.read() as session:
        return list(session.scalars(select(Event).where(Event.kind.endswith(".removed")).order_by(Event.sequence)))


@pytest.mark.parametrize(
    ("kind", "name", "below"),
    [
        (NodeKind.RUN, "direct", "run other"),
        (NodeKind.SNAPSHOT, "base", "generator g1, run direct, study trial"),
        (NodeKind.GENERATOR, "g1", "batch 1"),
        (NodeKind.GENERATOR, "g3", "batch 3"),
    ],
)
@pytest.mark.slow
def test_what_something_descends_from_stays_and_that_is_named(
    lived: Project, kind: NodeKind, name: str, below: str
) -> None:
    with pytest.raises(Conflict, match=f"{kind} '{name}' stays: {below} rest"):
        remove(lived, NOW, kind, name)
    assert not removals(lived)
    assert faults(lived) == []


@pytest.mark.slow
def test_from_the_last_descendant_upwards_everything_goes_and_the_events_stay(lived: Project) -> None:
    withdraw(lived, NOW, "s0", "asked for it")
    with lived.database.read() as session:
        before = session.scalar(select(func.count()).select_from(Event)) or 0
        fourth = session.scalars(select(Snapshot).where(Snapshot.name == "fourth")).one()
    order = [
        (NodeKind.STUDY, "trial", "studies"),
        (NodeKind.RUN, "other", "runs"),
        (NodeKind.RUN, "direct", "runs"),
        (NodeKind.SNAPSHOT, "fourth", "snapshots"),
    ]
    for kind, name, folder in order:
        assert (lived.root / folder / name).is_dir()
        remove(lived, NOW, kind, name)
        assert not (lived.root / folder / name).exists()
        with lived.database.read() as session, pytest.raises(NotFound, match="one of this name was removed on"):
            find_node(session, f"{kind}:{name}")
    with lived.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == before + len(order)
        items = select(func.count()).where(SnapshotItem.snapshot_id == fourth.id)
        assert session.scalar(items) == 0
        marks = select(Affected).where(Affected.kind == AffectedKind.SNAPSHOT, Affected.target_id == fourth.id)
        assert session.scalars(marks).all() == []
    last = removals(lived)[-1]
    assert last.kind == "snapshot.removed"
    assert last.payload["name"] == digest_of("fourth")
    assert (last.payload["snapshot"], last.payload["digest"]) == (fourth.id, fourth.digest)
    assert faults(lived) == []
    assert not list(lived.root.glob("*/.*.part"))


@pytest.mark.slow
def test_a_removed_name_is_free_and_its_number_is_never_given_again(lived: Project) -> None:
    with lived.database.read() as session:
        number = session.scalars(select(Snapshot.id).where(Snapshot.name == "fourth")).one()
    remove(lived, NOW, NodeKind.SNAPSHOT, "fourth")
    snapshot(lived, "fourth")
    with lived.database.read() as session:
        assert session.scalars(select(Snapshot.id).where(Snapshot.name == "fourth")).one() == number + 1
    assert faults(lived) == []


@pytest.mark.slow
def test_a_row_that_vanished_without_a_removal_is_a_fault(lived: Project) -> None:
    with lived.database.write() as session:
        fourth = session.scalars(select(Snapshot).where(Snapshot.name == "fourth")).one()
        session.execute(SnapshotItem.__table__.delete().where(SnapshotItem.snapshot_id == fourth.id))
        session.delete(fourth)
    assert f"snapshot {fourth.id}: it is missing, an event records it, and none its removal" in faults(lived)


def test_what_a_job_waits_for_stays(lived: Project) -> None:
    with lived.database.write() as session:
        job = enqueue(session, NOW, "train", {"snapshot": "fourth", "name": "next"})
    with pytest.raises(Conflict, match=f"job {job.id} \\(train, queued\\) rests on it"):
        plan_removal(lived, NodeKind.SNAPSHOT, "fourth")


def test_a_snapshot_that_was_exported_stays(lived: Project) -> None:
    with lived.database.write() as session:
        number = session.scalars(select(Snapshot.id).where(Snapshot.name == "fourth")).one()
        lived.chain.record(session, "export", {"snapshot": number, "format": "parquet", "real": 1, "synthetic": 0}, NOW)
    with pytest.raises(Conflict, match="the export of 2026-"):
        remove(lived, NOW, NodeKind.SNAPSHOT, "fourth")


def test_what_another_process_makes_is_not_removed(lived: Project) -> None:
    assert not is_being_made(lived, "run", "other")
    with being_made(lived, "run", "other"):
        assert is_being_made(lived, "run", "other")
        with pytest.raises(Conflict, match="another process is at run 'other'"):
            remove(lived, NOW, NodeKind.RUN, "other")
    assert not is_being_made(lived, "run", "other")


@pytest.mark.slow
def test_a_removal_that_cannot_be_recorded_leaves_everything(lived: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(curation.removal.remove, "_remove_rows", fail)
    with pytest.raises(OSError, match="full"):
        remove(lived, NOW, NodeKind.RUN, "other")
    assert (lived.root / "runs" / "other" / "card.json").is_file()
    assert faults(lived) == []


def _remove_and_die(root: Path) -> None:
    """Remove a run, and be killed when the rows are gone and the files are not."""
    pytest.MonkeyPatch().setattr(
        curation.removal.remove.shutil, "rmtree", lambda _: os.kill(os.getpid(), signal.SIGKILL)
    )
    remove(Project.open(root), NOW, NodeKind.RUN, "other")


@pytest.mark.slow
def test_a_removal_killed_before_the_files_are_gone_leaves_what_verify_lists(lived: Project) -> None:
    lived.database.dispose()
    process = fork(_remove_and_die, lived.root)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert not (lived.root / "runs" / "other").exists()
    with lived.database.read() as session:
        assert session.scalars(select(Run).where(Run.name == "other")).one_or_none() is None
    verified = verify_project(lived, silent)
    assert verified.faults == []
    assert [name for name in verified.unfinished if name.startswith("runs/.other.")]


def test_a_dead_build_and_an_unfinished_fit_can_be_removed(lived: Project) -> None:
    folder = lived.root / "generators" / "half"
    folder.mkdir()
    (folder / "fit.json").write_text('{"snapshot": "fourth"}')
    with pytest.raises(Conflict, match="the unfinished fit of generator half rests on it"):
        remove(lived, NOW, NodeKind.SNAPSHOT, "fourth")
    removed = remove(lived, NOW, NodeKind.GENERATOR, "half")
    assert (removed.files, folder.exists()) == (1, False)
    remove(lived, NOW, NodeKind.SNAPSHOT, "fourth")
    with pytest.raises(NotFound, match="no generator named 'half'"):
        remove(lived, NOW, NodeKind.GENERATOR, "half")
