"""The newest jobs, and whether a worker is running."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.tables.operations import Job, JobStatus


def newest_jobs(session: Session, count: int) -> list[Job]:
    """The newest jobs, running and finished."""
    return list(session.scalars(select(Job).order_by(Job.id.desc()).limit(count)))


def is_worker_seen(jobs: Sequence[Job], now: datetime) -> bool:
    """Whether a running job has a live lease; an idle worker leaves no trace."""
    return any(job.status is JobStatus.RUNNING and job.lease_until and job.lease_until > now for job in jobs)


def is_queue_waiting(jobs: Sequence[Job], now: datetime, patience_s: float) -> bool:
    """Whether a job has waited so long, with no live lease anywhere, that no worker seems to run."""
    waiting = [job for job in jobs if job.status is JobStatus.QUEUED]
    return any((now - job.created_at).total_seconds() > patience_s for job in waiting) and not is_worker_seen(jobs, now)
