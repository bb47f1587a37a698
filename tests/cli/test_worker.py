"""The worker as a process that is killed, stopped and restarted, and as the loop around one job."""

import json
import os
import signal
import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

import cli.worker
from cli.main import rounds
from cli.terminal import now
from cli.worker import RUNNERS, run_one
from curation.audit import last_anchor
from curation.errors import RoundsError
from curation.jobs import claim_job, enqueue
from curation.project import Project
from curation.tables.images import Image
from curation.tables.operations import Job, JobStatus
from generate.request import GenerationRequest
from generate.sample import sample_images
from tests.cli.job_bodies import KINDS
from tests.cli.worker_process import wait_for, worker_process
from tests.generate.projects import images_of, queue, tiny_request
from tests.rows import NOW


@pytest.fixture(autouse=True)
def bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker knows the jobs of these tests."""
    for kind in KINDS:
        monkeypatch.setitem(RUNNERS, kind, f"tests.cli.job_bodies:{kind}")


@pytest.fixture
def one_torch_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels depend on the number of threads, and are compared exactly."""
    monkeypatch.setenv("ROUNDS_TORCH_THREADS", "1")


def add_job(project: Project, kind: str) -> int:
    with project.database.write() as session:
        job = enqueue(session, NOW, kind, {})
        job.payload = {"job": job.id}
        return job.id


def job_of(project: Project, job_id: int) -> Job:
    with project.database.read() as session:
        return session.get_one(Job, job_id)


def run(project: Project, stopping: threading.Event | None = None) -> bool:
    return run_one(project, "me", stopping or threading.Event(), quiet=True)


def count_images(project: Project) -> int:
    with project.database.read() as session:
        return session.scalar(select(func.count()).select_from(Image)) or 0


def long_request() -> GenerationRequest:
    """Three chunks, slow enough to be met in the middle."""
    return tiny_request(counts={"bright": 24, "dark": 24}, num_inference_steps=10)


def test_every_kind_of_job_names_a_function_that_exists() -> None:
    assert {
        "canaries",
        "distil",
        "evaluate",
        "fit",
        "generate",
        "import",
        "measure",
        "pretrain",
        "privacy",
        "screen",
        "study",
        "train",
    } <= RUNNERS.keys()
    for kind in RUNNERS:
        assert callable(cli.worker._runner(kind))


@pytest.mark.slow
def test_a_worker_killed_mid_batch_is_followed_by_one_that_leaves_neither_gaps_nor_doubles(
    project: Project,
    fitted: Path,
    signal_handlers: None,
    one_torch_thread: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = long_request()
    batch_id, job_id = queue(project, fitted, request)
    with worker_process(project) as process:
        wait_for(lambda: count_images(project) > 0, process.is_alive)
        process.kill()
        process.join()
    assert 0 < count_images(project) < 48
    assert job_of(project, job_id).status is JobStatus.RUNNING
    with project.database.write() as session:
        session.get_one(Job, job_id).lease_until = now() - timedelta(seconds=1)  # as a minute would
    monkeypatch.setitem(RUNNERS, "screen", "tests.cli.job_bodies:succeed")  # what the batch queues
    following = CliRunner().invoke(rounds, ["--project", str(project.root), "worker", "--until-idle", "--quiet"])
    assert following.exit_code == 0, following.output
    assert job_of(project, job_id).status is JobStatus.DONE
    images = images_of(project, batch_id)
    assert [(index, label) for index, label, _ in images] == request.plan()
    uninterrupted = sample_images(fitted, request.plan(), request, device="cpu")
    for (_, _, pixels), (_, _, wanted) in zip(images, uninterrupted, strict=True):
        assert np.array_equal(pixels, wanted)


@pytest.mark.slow
def test_a_worker_told_to_stop_puts_its_job_back(project: Project, fitted: Path, one_torch_thread: None) -> None:
    _, job_id = queue(project, fitted, long_request())
    with worker_process(project) as process:
        wait_for(lambda: count_images(project) > 0, process.is_alive)
        process.terminate()
        process.join(timeout=100)
        assert process.exitcode == 0
    job = job_of(project, job_id)
    assert (job.status, job.attempts, job.worker, job.lease_until) == (JobStatus.QUEUED, 0, None, None)
    assert 0 < job.done < 48


@pytest.mark.slow
def test_ctrl_c_ends_a_worker_in_good_order(
    project: Project, fitted: Path, one_torch_thread: None, tmp_path: Path
) -> None:
    errors = tmp_path / "errors"
    _, job_id = queue(project, fitted, tiny_request(counts={"bright": 400, "dark": 400}))
    with worker_process(project, errors=errors) as process:
        wait_for(lambda: count_images(project) > 0, process.is_alive)
        os.kill(process.pid or 0, signal.SIGINT)
        process.join(timeout=100)
        assert process.exitcode == 0
    assert errors.read_bytes() == b""
    job = job_of(project, job_id)
    assert (job.status, job.attempts, job.worker, job.lease_until) == (JobStatus.QUEUED, 0, None, None)
    assert 0 < job.done < 800


def test_a_failing_job_is_marked_with_its_error_and_the_worker_goes_on(project: Project, signal_handlers: None) -> None:
    refused, crashed, last = (add_job(project, kind) for kind in ("refuse", "crash", "succeed"))
    result = CliRunner().invoke(rounds, ["--project", str(project.root), "worker", "--until-idle", "--quiet"])
    assert isinstance(result.exception, RoundsError)
    named = f"failed: job {refused} (refuse), {crashed} (crash). `rounds jobs list --status failed` says why."
    assert str(result.exception) == named
    assert "failed: expected a cat, got a dog. Bring a cat." in result.stderr
    assert "failed: ZeroDivisionError: by nought" in result.stderr
    job = job_of(project, refused)
    assert (job.status, job.error) == (JobStatus.FAILED, "expected a cat, got a dog. Bring a cat.")
    job = job_of(project, crashed)
    assert job.status is JobStatus.FAILED
    assert "Traceback" in (job.error or "")
    job = job_of(project, last)
    assert (job.status, job.done, job.total, job.note) == (JobStatus.DONE, 3, 3, "step 3")
    assert project.anchors_path.exists()


def test_until_idle_ends_at_once_when_there_is_nothing_to_do_and_anchors_what_others_recorded(
    project: Project, signal_handlers: None
) -> None:
    with project.database.write() as session:
        project.chain.record(session, "tested", {}, NOW)
    result = CliRunner().invoke(rounds, ["--project", str(project.root), "worker", "--until-idle"])
    assert result.exit_code == 0
    assert last_anchor(project.anchors_path) == 1


def test_a_cancelled_job_stops_at_its_next_report_and_stays_cancelled(project: Project) -> None:
    job_id = add_job(project, "be_cancelled")
    assert run(project)
    job = job_of(project, job_id)
    assert (job.status, job.error, job.done) == (JobStatus.CANCELLED, None, 1)
    assert not run(project)


def test_a_job_that_went_to_another_worker_is_left_to_it(project: Project) -> None:
    job_id = add_job(project, "be_taken")
    assert run(project)
    job = job_of(project, job_id)
    assert (job.status, job.worker, job.error) == (JobStatus.RUNNING, "another", None)


def test_a_job_under_a_live_lease_is_not_taken_and_after_it_is(project: Project) -> None:
    job_id = add_job(project, "succeed")
    with project.database.write() as session:
        claim_job(session, now(), "gone", kinds=RUNNERS)
    assert not run(project)
    with project.database.write() as session:
        session.get_one(Job, job_id).lease_until = now() - timedelta(seconds=1)
    assert run(project)
    job = job_of(project, job_id)
    assert (job.status, job.worker, job.attempts) == (JobStatus.DONE, "me", 2)


def test_a_worker_told_to_stop_before_its_job_has_ended_leaves_it_queued(project: Project) -> None:
    job_id = add_job(project, "succeed")
    stopping = threading.Event()
    stopping.set()
    assert run(project, stopping)
    job = job_of(project, job_id)
    assert (job.status, job.attempts, job.worker) == (JobStatus.QUEUED, 0, None)


def test_an_interrupt_puts_the_job_back_and_is_passed_on(project: Project) -> None:
    job_id = add_job(project, "interrupt")
    with pytest.raises(KeyboardInterrupt):
        run(project)
    assert job_of(project, job_id).status is JobStatus.QUEUED


def test_a_long_silent_step_keeps_its_lease(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.worker, "RENEW_S", 0.05)
    job_id = add_job(project, "be_silent")
    assert run(project)
    assert job_of(project, job_id).status is JobStatus.DONE


def test_jobs_of_an_unknown_kind_are_left_alone(project: Project) -> None:
    job_id = add_job(project, "from the future")
    assert not run(project)
    assert job_of(project, job_id).status is JobStatus.QUEUED


def test_a_worker_that_ends_after_a_failed_job_says_so_by_its_exit_status(project: Project) -> None:
    add_job(project, "succeed")
    with worker_process(project, "--until-idle") as process:
        process.join(timeout=100)
        assert process.exitcode == 0
    failing = add_job(project, "crash")
    with worker_process(project, "--until-idle") as process:
        process.join(timeout=100)
        assert process.exitcode == 2
    assert job_of(project, failing).status is JobStatus.FAILED


def test_who_waits_for_a_killed_worker_is_told_so_and_when_its_lease_ends(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = add_job(project, "be_killed")
    with worker_process(project) as process:
        process.join(timeout=100)
        assert process.exitcode == -signal.SIGKILL

    def listed() -> tuple[str, str | None]:
        result = CliRunner().invoke(rounds, ["--project", str(project.root), "jobs", "list", "--json"])
        (row,) = json.loads(result.stdout)
        return row["status"], row["note"]

    def wait_a_minute(seconds: float) -> None:
        with project.database.write() as session:
            session.get_one(Job, job_id).lease_until = now() - timedelta(seconds=1)
        assert listed() == ("interrupted", "its worker is gone; the next `rounds worker` takes it up")
        monkeypatch.setitem(RUNNERS, "be_killed", "tests.cli.job_bodies:succeed")

    assert listed() == ("running", None)
    monkeypatch.setattr(cli.worker.time, "sleep", wait_a_minute)
    cli.worker.run_until_done(project, job_id, quiet=True)
    assert job_of(project, job_id).status is JobStatus.DONE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"waiting for job {job_id} (be_killed): no worker is running, ")
    assert " has ended; its lease ends in " in line
