"""The worker waits for a database that is away: a job fails through its own work only."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import cli.patience
import cli.worker
import curation.database
from cli.worker import RUNNERS, run_one, run_until_done
from curation.errors import DatabaseAway
from curation.jobs import enqueue
from curation.progress import OnProgress
from curation.project import Project, open_or_make_project
from curation.tables.images import Label
from curation.tables.operations import Job, JobStatus
from tests.conftest import missing
from tests.postgres import create_database, postgres_binaries, postgres_server
from tests.rows import NOW

Body = Callable[[Project, OnProgress], None]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds and minutes in the product takes hundredths here."""
    monkeypatch.setattr(curation.database, "BUSY_TIMEOUT_S", 0.02)
    monkeypatch.setattr(cli.patience, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(cli.patience, "LONGEST_PAUSE_S", 0.1)
    monkeypatch.setattr(cli.worker, "POLL_S", 0.02)


def queue(project: Project, monkeypatch: pytest.MonkeyPatch, body: Body) -> int:
    """Queue a job with this body."""

    def run(project: Project, _: dict[str, Any], report: OnProgress) -> None:
        body(project, report)

    monkeypatch.setitem(RUNNERS, "body", "nowhere:body")
    monkeypatch.setattr(cli.worker, "_runner", lambda kind: run)
    with project.database.write() as session:
        return enqueue(session, NOW, "body", {}).id


def job_of(project: Project, job_id: int) -> Job:
    with project.database.read() as session:
        return session.get_one(Job, job_id)


@contextmanager
def locked(project: Project, for_s: float) -> Iterator[None]:
    """Another program holds the write lock of the database for so long."""
    other = sqlite3.connect(project.root / "rounds.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(for_s, lambda: other.execute("ROLLBACK"))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        other.close()


def run(project: Project, stopping: threading.Event | None = None) -> bool:
    return run_one(project, "me", stopping or threading.Event(), quiet=True)


def test_a_worker_without_work_waits_while_the_database_is_locked(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(project, 0.4):
        assert not run(project)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert all("database is locked" in line and "next try in" in line for line in lines)
    assert "next try in 0.02 s" in lines[0]
    assert "next try in 0.02 s" not in lines[-1]  # the pauses grow


def test_a_report_of_progress_waits_and_the_job_is_done(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def body(project: Project, report: OnProgress) -> None:
        calls.append(1)
        report(1, 2)
        with locked(project, 0.3):
            report(2, 2)

    job_id = queue(project, monkeypatch, body)
    assert run(project)
    job = job_of(project, job_id)
    assert (job.status, job.error, job.done, job.attempts) == (JobStatus.DONE, None, 2, 1)
    assert calls == [1]


def test_what_a_job_writes_itself_waits_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def body(project: Project, report: OnProgress) -> None:
        with locked(project, 0.3), project.database.write() as session:
            session.add(Label(name="kept"))

    job_id = queue(project, monkeypatch, body)
    assert run(project)
    assert job_of(project, job_id).status is JobStatus.DONE


def test_a_job_whose_database_goes_away_in_the_middle_is_run_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def body(project: Project, report: OnProgress) -> None:
        calls.append(1)
        if len(calls) < 3:
            raise DatabaseAway("the server ended the connection.")

    job_id = queue(project, monkeypatch, body)
    assert run(project)
    assert job_of(project, job_id).status is JobStatus.DONE
    assert len(calls) == 3


def test_closing_a_job_waits(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    locks: list[Any] = []

    def body(project: Project, report: OnProgress) -> None:
        locks.append(locked(project, 0.3))
        locks[0].__enter__()

    job_id = queue(project, monkeypatch, body)
    assert run(project)
    locks[0].__exit__(None, None, None)
    assert job_of(project, job_id).status is JobStatus.DONE
    assert project.anchors_path.exists()


def test_the_lease_is_renewed_once_the_lock_is_gone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.worker, "RENEW_S", 0.02)
    renewed: list[bool] = []

    def body(project: Project, report: OnProgress) -> None:
        with locked(project, 0.3):
            time.sleep(0.1)  # the lease's thread meets the lock
        with project.database.read() as session:
            first = session.scalar(select(Job.lease_until))
        for _ in range(500):
            time.sleep(0.01)
            with project.database.read() as session:
                if session.scalar(select(Job.lease_until)) != first:
                    renewed.append(True)
                    return

    queue(project, monkeypatch, body)
    assert run(project)
    assert renewed


@pytest.mark.slow
def test_a_worker_told_to_stop_does_not_wait_for_the_database(project: Project) -> None:
    stopping = threading.Event()
    threading.Timer(0.1, stopping.set).start()
    with locked(project, 0.6):
        started = time.monotonic()
        assert not run(project, stopping)
        assert time.monotonic() - started < 0.5


def test_anchors_that_cannot_be_written_do_not_end_the_worker(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = queue(project, monkeypatch, lambda project, report: None)
    project.anchors_path.mkdir()
    assert run(project)
    assert job_of(project, job_id).status is JobStatus.DONE
    assert "the chain was not anchored" in capsys.readouterr().err


def test_a_worker_whose_database_file_was_away_finds_the_queue_again(project: Project) -> None:
    kept = project.root / "kept.db"
    project.database.dispose()
    with closing(sqlite3.connect(project.root / "rounds.db")) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (project.root / "rounds.db").rename(kept)
    threading.Timer(0.2, lambda: kept.rename(project.root / "rounds.db")).start()
    assert not run(project)


@pytest.mark.postgres
def test_a_postgresql_server_that_is_restarted_costs_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binaries = postgres_binaries()
    if binaries is None:
        missing("PostgreSQL", "on Debian, `apt-get install postgresql`")
    assert binaries is not None
    with postgres_server(binaries) as server:
        url = create_database(server.url, "away")
        project, _ = open_or_make_project(tmp_path / "away", database_url=url)
        calls: list[int] = []
        comes_back = threading.Timer(0.3, server.start)

        def body(project: Project, report: OnProgress) -> None:
            calls.append(1)
            if len(calls) == 1:
                server.stop()
                comes_back.start()
            report(1, 3)  # the server is away when this begins
            with project.database.write() as session:
                session.add(Label(name=f"kept {len(calls)}"))
                session.flush()
                if len(calls) == 1:
                    comes_back.join()  # pg_ctl waits until the server answers, and would miss one that is gone again
                    server.stop("immediate")  # and goes away in the middle of this
                    server.start()
            report(3, 3)

        job_id = queue(project, monkeypatch, body)
        run_until_done(project, job_id, quiet=True)
        job = job_of(project, job_id)
        assert (job.status, job.error, job.attempts) == (JobStatus.DONE, None, 1)
        assert len(calls) == 2
        project.database.dispose()
