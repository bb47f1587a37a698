"""`rounds worker`: run queued jobs, one at a time, under a lease that is renewed."""

import importlib
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import click
from sqlalchemy.exc import OperationalError

from cli.terminal import now, pass_project, progress_bar, use_torch_threads
from curation.errors import RoundsError
from curation.jobs import LEASE_S, claim_job, enqueue, fail, finish, heartbeat, release
from curation.progress import OnProgress
from curation.project import Project
from curation.store_errors import describe_disk_error
from curation.tables.operations import Job, JobStatus

# A job stores its kind only; the function that runs it stands here.
RUNNERS = {
    "canaries": "screening.error_rates.queued:run_canary_job",
    "evaluate": "train.evaluation.on_record:run_evaluate_job",
    "fit": "generate.fit_job:run_fit_job",
    "generate": "generate.batches:run_batch_job",
    "import": "curation.ingest.import_job:run_import_job",
    "measure": "screening.set_measures.measure:run_measure_job",
    "pretrain": "train.pretraining.pretrain_job:run_pretrain_job",
    "privacy": "screening.error_rates.queued:run_privacy_job",
    "screen": "screening.run:run_screening_job",
    "study": "train.study.conduct:run_study_job",
    "train": "train.adaptation.run_job:run_train_job",
}
POLL_S = 1.0
RENEW_S = LEASE_S / 4


class Stopped(Exception):
    """Ends a job here: the worker has to stop, the job was cancelled, or another worker has it."""


class Lease:
    """Keeps the lease of a running job alive from a thread, so that a long silent step does not lose it."""

    def __init__(self, project: Project, job: Job, worker: str, stopping: threading.Event) -> None:
        self.project, self.job, self.worker, self.stopping = project, job, worker, stopping
        self.progress: tuple[int, int, str | None] = (job.done, job.total, None)
        self.lost = threading.Event()

    def report(self, done: int, total: int, note: str | None = None) -> None:
        """Record progress and renew the lease; raises Stopped when the job must end here."""
        self.progress = (done, total, note)
        self.renew()
        if self.lost.is_set() or self.stopping.is_set():
            raise Stopped

    def renew(self) -> None:
        """Send one heartbeat."""
        with self.project.database.write() as session:
            if not heartbeat(session, now(), self.job.id, self.worker, *self.progress):
                self.lost.set()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease in the background while the block runs."""
        over = threading.Event()

        def keep() -> None:
            while not over.wait(RENEW_S):
                # A busy database is asked again before the lease is over.
                with suppress(OperationalError):
                    self.renew()

        thread = threading.Thread(target=keep, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def run_one(
    project: Project,
    worker: str,
    stopping: threading.Event,
    quiet: bool = False,
    failed: list[str] | None = None,
) -> bool:
    """Claim a job and run it to its end; False when there is none.

    A failure is recorded with the job, and its name added to `failed`.
    """
    with project.database.write() as session:
        job = claim_job(session, now(), worker, kinds=RUNNERS)
    if job is None:
        return False
    lease = Lease(project, job, worker, stopping)
    error = None
    with progress_bar(f"job {job.id}, {job.kind}", quiet) as show:

        def report(done: int, total: int, note: str | None = None) -> None:
            show(done, total, note)
            lease.report(done, total, note)

        try:
            with lease.kept():
                _runner(job.kind)(project, job.payload, report)
        except (Stopped, KeyboardInterrupt) as stop:
            with project.database.write() as session:
                release(session, job.id, worker)
            if isinstance(stop, KeyboardInterrupt):
                raise
            return True
        except RoundsError as problem:
            error = str(problem)
        except OSError as problem:
            error = describe_disk_error(problem) or traceback.format_exc()
        except Exception:
            error = traceback.format_exc()
    _close(project, job, worker, error)
    if error is not None and failed is not None:
        failed.append(f"{job.id} ({job.kind})")
    return True


def _close(project: Project, job: Job, worker: str, error: str | None) -> None:
    with project.database.write() as session:
        if error is None:
            finish(session, now(), job.id, worker)
        else:
            fail(session, now(), job.id, worker, error)
    if error is not None:
        click.echo(f"job {job.id} ({job.kind}) failed: {error.strip().splitlines()[-1]}", err=True)
    project.anchor()


def _runner(kind: str) -> Callable[[Project, dict[str, Any], OnProgress], None]:
    module, function = RUNNERS[kind].split(":")
    runner: Callable[[Project, dict[str, Any], OnProgress], None] = getattr(importlib.import_module(module), function)
    return runner


def worker_name() -> str:
    """Name this worker by host and process, for the jobs table."""
    return f"{socket.gethostname()}:{os.getpid()}"


def draw_and_screen(project: Project, batch_id: int, job_id: int, quiet: bool) -> None:
    """Work here until a batch is generated and screened; raises RoundsError when either failed."""
    run_until_done(project, job_id, quiet)
    with project.database.write() as session:
        # The batch has queued its screening; one that failed or was cancelled is queued again here.
        screening = enqueue(session, now(), "screen", {"batch": batch_id}, dedupe_key=f"screen:{batch_id}")
    run_until_done(project, screening.id, quiet)


def run_until_done(project: Project, job_id: int, quiet: bool) -> None:
    """Work here until the job and what it queued are over; raises RoundsError when it failed.

    A job that another worker holds is waited for: either it ends there, or its lease runs out and it is taken up here.
    What is waited for is said once, and again when it changes.
    """
    use_torch_threads(project)
    said = None
    while True:
        if run_one(project, worker_name(), threading.Event(), quiet):
            continue
        with project.database.read() as session:
            job = session.get_one(Job, job_id)
        if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
            break
        if (holder := (job.worker, job.status)) != said:
            click.echo(describe_wait(job, now()), err=True)
            said = holder
        time.sleep(POLL_S)
    if job.status != JobStatus.DONE:
        reason = job.error.strip().splitlines()[-1] if job.error else "see `rounds jobs list`"
        raise RoundsError(f"job {job.id} ({job.kind}) is {job.status.value}: {reason}")


def describe_wait(job: Job, at: datetime) -> str:
    """Say what is waited for: a worker that is at the job, or the end of the lease of one that is gone."""
    about = f"job {job.id} ({job.kind})"
    if job.worker is None or job.lease_until is None:
        return f"waiting for {about}: no worker is running; it is taken up here"
    left = f"its lease ends in {max(0, (job.lease_until - at).total_seconds()):.0f} s"
    if is_gone(job.worker):
        return f"waiting for {about}: no worker is running, {job.worker} has ended; {left}, then it is taken up here"
    return f"waiting for {about}: {job.worker} is at it; {left} unless renewed, then it is taken up here"


def is_gone(worker: str) -> bool:
    """Tell whether a worker of this host has ended; of another host's nothing is known."""
    host, _, number = worker.rpartition(":")
    if host != socket.gethostname() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it runs under another account
        return False
    return False


@click.command()
@click.option("--until-idle", is_flag=True, help="Stop when there is nothing left to do.")
@click.option("--quiet", is_flag=True, help="No progress bars. Without a terminal, a line a minute stays.")
@pass_project
def worker(project: Project, until_idle: bool, quiet: bool) -> None:
    """Run queued jobs until stopped, then anchor the chain of events. Ctrl-C puts the current job back in the queue.
    If the worker is killed, another takes over.

    It ends with exit code 2 when a job failed while it ran, and names it.

    \b
    Example:
      rounds worker --until-idle
    """
    use_torch_threads(project)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    name = worker_name()
    failed: list[str] = []
    while not stopping.is_set():
        if not run_one(project, name, stopping, quiet, failed):
            if until_idle:
                break
            time.sleep(POLL_S)
    project.anchor()
    if failed:
        raise RoundsError(f"failed: job {', '.join(failed)}. `rounds jobs list --status failed` says why.")
