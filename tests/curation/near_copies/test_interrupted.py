"""Images that are recorded stay where the search for near copies breaks off, and it is taken up again."""

import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

import curation.database
from cli.main import rounds
from curation.errors import DatabaseAway, Unavailable
from curation.near_copies.on_record import NOT_SEARCHED, is_searched
from curation.progress import OnProgress
from curation.project import Project
from curation.status import project_status
from curation.tables.images import BuildStatus, Image, Import
from curation.verification.verify import verify_project
from tests.curation.near_copies.scans import Entry, import_scans, leaky
from tests.curation.near_copies.test_find import FOUND, listed
from tests.processes import fork
from tests.rows import NOW
from tests.small_disk import small_disk

SEARCHING = "looking for near copies"


def when(note: str, then: Callable[[], object]) -> OnProgress:
    """Do something when the progress of an import has come to this note."""
    return lambda done, total, said: said == note and then()


def assert_images_stay_uncompared(project: Project) -> None:
    with project.database.read() as session:
        assert len(session.scalars(select(Image)).all()) == len(leaky())
        assert session.scalars(select(Import.status)).all() == [BuildStatus.READY]
        assert not is_searched(session)
        assert project_status(session, project, NOW).near_copies is None


def assert_taken_up(project: Project) -> None:
    """The same import again compares what it has not compared."""
    repeated = import_scans(project, leaky(), dry_run=True)
    assert (repeated.repeated, repeated.notes[-1]) == (True, NOT_SEARCHED)
    repeated = import_scans(project, leaky())
    assert repeated.repeated
    assert "2 of 6 held-out images" in repeated.notes[-1]
    assert listed(project) == FOUND
    assert verify_project(project, lambda *_: None).faults == []


def test_a_disk_that_is_full_after_the_images_are_recorded_is_said_and_they_stay(project: Project) -> None:
    with (
        small_disk(project.root / "embeddings", 8),
        pytest.raises(Unavailable, match=r"The images are recorded and stay.*No space left"),
    ):
        import_scans(project, leaky())
    assert_images_stay_uncompared(project)
    assert_taken_up(project)


def test_a_database_that_is_away_during_the_search_is_said_and_the_images_stay(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curation.database, "BUSY_TIMEOUT_S", 0.02)
    project.database.dispose()
    other = sqlite3.connect(project.root / "rounds.db", isolation_level=None)

    def lock() -> None:
        if not other.in_transaction:
            other.execute("BEGIN IMMEDIATE")

    with pytest.raises(DatabaseAway, match=r"The images are recorded and stay.*near-copies find"):
        import_scans(project, leaky(), on_progress=when(SEARCHING, lock))
    other.execute("ROLLBACK")
    other.close()
    assert_images_stay_uncompared(project)
    assert_taken_up(project)


def _die_while_searching(root: Path) -> None:
    die = when(SEARCHING, lambda: os.kill(os.getpid(), signal.SIGKILL))
    import_scans(Project.open(root), leaky(), on_progress=die)


def test_a_search_that_is_killed_is_taken_up_by_the_same_import_and_by_the_next(project: Project) -> None:
    project.database.dispose()
    process = fork(_die_while_searching, project.root)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert_images_stay_uncompared(project)
    assert NOT_SEARCHED in CliRunner().invoke(rounds, ["--project", str(project.root), "near-copies", "list"]).output
    import_scans(project, [("another", 90, False, None), ("more", 91, False, None)], "next")
    assert listed(project) == FOUND
    assert import_scans(project, leaky()).repeated


def twins() -> list[Entry]:
    """Four subjects without a split, of which `b` is `a` again."""
    return [("a", 1, False, None), ("b", 1, True, None), ("c", 2, False, None), ("d", 3, False, None)]


@pytest.mark.slow
def test_an_import_counts_with_its_bound_subjects_or_not_at_all(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Unavailable("no room for an event")

    with monkeypatch.context() as patch:
        patch.setattr("curation.near_copies.group._aliases", fail)
        with pytest.raises(Unavailable, match=r"^no room for an event$"):
            import_scans(project, twins(), group=True)
    with project.database.read() as session:
        assert session.scalars(select(Image)).all() == []
        assert session.scalars(select(Import.status)).all() == [BuildStatus.FAILED]
    report = import_scans(project, twins(), group=True)
    assert report.added == 4
    assert any(note.startswith("2 subjects whose pictures look like copies were bound into 1") for note in report.notes)
    assert verify_project(project, lambda *_: None).faults == []
