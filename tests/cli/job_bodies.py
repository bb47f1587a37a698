"""Jobs for the tests of the worker, named by `module:function` as real jobs are."""

import os
import signal
import time
from typing import Any

from curation.errors import BadInput
from curation.jobs import cancel
from curation.progress import OnProgress
from curation.project import Project
from curation.tables.operations import Job
from tests.rows import NOW

KINDS = ("succeed", "refuse", "crash", "be_cancelled", "be_taken", "interrupt", "be_silent", "be_killed")


def succeed(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Three steps, each reported."""
    for done in range(4):
        report(done, 3, f"step {done}")


def refuse(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """An error meant for the user."""
    raise BadInput("expected a cat, got a dog. Bring a cat.")


def crash(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """An error nobody meant."""
    raise ZeroDivisionError("by nought")


def be_cancelled(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Somebody cancels the job while it runs; it must not come past the next report."""
    report(1, 3, None)
    with project.database.write() as session:
        cancel(session, NOW, payload["job"])
    report(2, 3, None)
    raise AssertionError("a cancelled job went on")


def be_taken(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """The lease ran out and another worker has the job by now."""
    with project.database.write() as session:
        session.get_one(Job, payload["job"]).worker = "another"
    report(1, 3, None)
    raise AssertionError("a job that was another's went on")


def interrupt(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Ctrl-C where no handler stands."""
    raise KeyboardInterrupt


def be_silent(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """A long step without a report: waits until the lease has been renewed behind its back."""
    with project.database.read() as session:
        first = session.get_one(Job, payload["job"]).lease_until
    for _ in range(600):
        with project.database.read() as session:
            if session.get_one(Job, payload["job"]).lease_until != first:
                return
        time.sleep(0.05)
    raise AssertionError("the lease was not renewed")


def be_killed(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """The worker is killed in the middle, as by `kill -9` or a power cut."""
    report(1, 3, None)
    os.kill(os.getpid(), signal.SIGKILL)
