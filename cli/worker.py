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
from sqlalchemy.orm import Session

from cli.patience import Patience, Stopped
from cli.terminal import now, pass_project, progress_bar, use_torch_threads
from curation.errors import DatabaseAway, RoundsError, Unavailable, plain_message
from curation.jobs import LEASE_S, claim_job, enqueue, fail, finish, heartbeat, release
from curation.progress import OnProgress
from curation.project import Project
from curation.store_errors import describe_disk_error
from curation.tables.operations import Job, JobStatus

# A job stores its kind only; the function that runs it stands here.
RUNNERS = {
    "align": "train.image_text.align_job:run_align_job",
    "canaries": "screening.error_rates.queued:run_canary_job",
    "distil": "train.distillation.distil_job:run_distil_job",
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


class Lease:
    """Keeps the lease of a running job alive from a thread, so that a long silent step does not lose it."""

    def __init__(self, project: Project, job: Job, worker: str, patience: Patience) -> None:
        self.project, self.job, self.worker, self.patience = project, job, worker, patience
        self.progress: tuple[int, int, str | None] = (job.done, job.total, None)
        self.lost = threading.Event()

    def report(self, done: int, total: int, note: str | None = None) -> None:
        """Record progress and renew the lease; raises Stopped when the job must end here."""
        self.progress = (done, total, note)
        self.renew()
        if self.lost.is_set() or self.patience.stopping.is_set():
            raise Stopped

    def renew(self, until: threading.Event | None = None) -> None:
        """Send one heartbeat, as soon as the database answers; waits no longer than `until`."""

        def beat(session: Session) -> bool:
            return heartbeat(session, now(), self.job.id, self.worker, *self.progress)

        if not self.patience.change(self.project.database, beat, until):
            self.lost.set()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease in the background while the block runs."""
        over = threading.Event()

        def keep() -> None:
            while not over.wait(RENEW_S):
                try:
                    self.renew(over)
                except Stopped:
                    return
                except RoundsError as error:  # the next one may succeed before the lease is over
                    click.echo(f"the lease of job {self.job.id} was not renewed: {error}", err=True)

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

    A failure is recorded with the job, and its name added to `failed`. While the database is away it is waited for: a
    job fails through its own work only.
    """
    patience = Patience(stopping)
    try:
        job = patience.change(project.database, lambda session: claim_job(session, now(), worker, kinds=RUNNERS))
    except Stopped:
        return False
    if job is None:
        return False
    lease = Lease(project, job, worker, patience)
    try:
        with progress_bar(f"job {job.id}, {job.kind}", quiet) as show, lease.kept():
            error = _run(project, job, lease, show)
        _close(project, job, worker, patience, error)
        if error is not None and failed is not None:
            failed.append(f"{job.id} ({job.kind})")
    except (Stopped, KeyboardInterrupt) as stop:
        # Where the database is away just now, the job comes back to the queue when its lease is over.
        with suppress(DatabaseAway), project.database.write() as session:
            release(session, job.id, worker)
        if isinstance(stop, KeyboardInterrupt):
            raise
    return True


def _run(project: Project, job: Job, lease: Lease, show: OnProgress) -> str | None:
    """Run a job to its end and return its error; where the database goes away in the middle, run it again.

    Every job continues where it was, so that running it again repeats little.
    """

    def report(done: int, total: int, note: str | None = None) -> None:
        show(done, total, note)
        lease.report(done, total, note)

    tries = 0
    while True:
        try:
            with project.database.waiting(lease.patience.pause):
                _runner(job.kind)(project, job.payload, report)
        except Stopped:
            raise
        except DatabaseAway as away:
            tries += 1
            lease.patience.pause(away, tries)
        except RoundsError as problem:
            return str(problem)
        except OSError as problem:
            return describe_disk_error(problem) or plain_message(traceback.format_exc())
        except Exception:
            return plain_message(traceback.format_exc())
        else:
            return None


def _close(project: Project, job: Job, worker: str, patience: Patience, error: str | None) -> None:
    def end(session: Session) -> bool:
        if error is None:
            return finish(session, now(), job.id, worker)
        return fail(session, now(), job.id, worker, error)

    patience.change(project.database, end)
    if error is not None:
        click.echo(f"job {job.id} ({job.kind}) failed: {error.strip().splitlines()[-1]}", err=True)
    try:
        project.anchor()
    except Unavailable as problem:
        click.echo(f"the chain was not anchored after job {job.id}, the next one anchors it: {problem}", err=True)


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
    # The batch has queued its screening; one that failed or was cancelled is queued again here.
    screening = Patience(threading.Event()).change(
        project.database,
        lambda session: enqueue(session, now(), "screen", {"batch": batch_id}, dedupe_key=f"screen:{batch_id}"),
    )
    run_until_done(project, screening.id, quiet)


def run_until_done(project: Project, job_id: int, quiet: bool) -> None:
    """Work here until the job and what it queued are over; raises RoundsError when it failed.

    A job that another worker holds is waited for: either it ends there, or its lease runs out and it is taken up here.
    What is waited for is said once, and again when it changes.
    """
    use_torch_threads(project)
    told_holder = None
    while True:
        if run_one(project, worker_name(), threading.Event(), quiet):
            continue
        job = Patience(threading.Event()).change(project.database, lambda session: session.get_one(Job, job_id))
        if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
            break
        if (holder := (job.worker, job.status)) != told_holder:
            click.echo(describe_wait(job, now()), err=True)
            told_holder = holder
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
