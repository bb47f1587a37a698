"""`rounds jobs`: list and cancel jobs of the worker."""

from datetime import datetime
from typing import Any

import click

from cli.numbers import LINES, ROW_ID
from cli.terminal import emit, json_option, now, pass_project
from curation.jobs import cancel as cancel_job
from curation.jobs import is_lost, list_jobs
from curation.project import Project
from curation.tables.operations import Job, JobStatus


@click.group()
def jobs() -> None:
    """List and cancel jobs.

    \b
    Example:
      rounds jobs list
    """


@jobs.command("list")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in JobStatus]),
    help="Only jobs in this state. Repeat it for several.",
)
@click.option("--limit", default=50, show_default=True, type=LINES)
@json_option
@pass_project
def list_command(project: Project, statuses: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List jobs, the newest first.

    \b
    Example:
      rounds jobs list --status running --status queued
    """
    wanted = [JobStatus(status) for status in statuses] or None
    with project.database.read() as session:
        at = now()
        rows = [_row(job, at) for job in list_jobs(session, wanted, limit)]
    emit(rows, as_json, title="jobs")


@jobs.command()
@click.argument("job_id", type=ROW_ID)
@pass_project
def cancel(project: Project, job_id: int) -> None:
    """Cancel a queued or running job. Its worker stops at the next step and keeps what is done.

    \b
    Example:
      rounds jobs cancel 3
    """
    with project.database.write() as session:
        job = cancel_job(session, now(), job_id)
        project.chain.record(session, "job.cancelled", {"job": job.id, "by": None}, now())
    click.echo(f"cancelled job {job.id} ({job.kind})")


def _row(job: Job, at: datetime) -> dict[str, Any]:
    lost = is_lost(job, at)
    return {
        "job": job.id,
        "kind": job.kind,
        "about": _about(job.payload),
        "status": "interrupted" if lost else job.status.value,
        "done": f"{job.done} of {job.total}" if job.total else None,
        "note": _note(job, lost),
        "worker": job.worker,
        "attempts": job.attempts,
        "queued": job.created_at,
    }


def _note(job: Job, lost: bool) -> str | None:
    """Say what went wrong, or where the job is."""
    if lost:
        return "its worker is gone; the next `rounds worker` takes it up"
    return job.error.splitlines()[-1] if job.error else job.note


def _about(request: dict[str, Any]) -> str | None:
    """What a job is about: the batch, run, study, generator or source that its request names."""
    named = request | request.get("plan", {})
    about = next((key for key in ("name", "run", "batch", "source", "snapshot") if named.get(key)), None)
    return str(named[about]) if about else None
