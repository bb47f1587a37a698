"""The job queue: a job is claimed under a lease that expires, so that another worker can take it up.

A job is a kind and JSON, nothing executable: the worker maps a kind to a function. Every function changes a row only
when it is in the state that the caller expects, so two workers never both hold a job.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from curation.digests import digest_of
from curation.errors import Conflict, NotFound
from curation.tables.operations import Job, JobStatus

LEASE_S = 60.0
MAX_ATTEMPTS = 5
NAMES_FILES = ("import",)  # kinds whose request names files, which may be called after people
_OPEN = (JobStatus.QUEUED, JobStatus.RUNNING)


def utc_now() -> datetime:
    """The clock of whoever works off a job; the functions that a job calls are given it."""
    return datetime.now(UTC)


def enqueue(session: Session, now: datetime, kind: str, payload: dict[str, Any], dedupe_key: str | None = None) -> Job:
    """Queue a job. With a known `dedupe_key` return that job, queued again if it failed or was cancelled."""
    if dedupe_key is None:
        return _add(session, now, kind, payload, None)
    query = select(Job).where(Job.dedupe_key == dedupe_key).with_for_update()
    job = session.scalars(query).one_or_none()
    if job is None:
        try:
            with session.begin_nested():
                return _add(session, now, kind, payload, dedupe_key)
        except IntegrityError:  # on PostgreSQL another transaction may have added it since
            job = session.scalars(query).one()
    was_forgotten = job.kind in NAMES_FILES and not job.payload
    if job.kind != kind or (job.payload != payload and not was_forgotten):
        raise Conflict(
            f"job {job.id} holds the key {dedupe_key!r} with another payload. Give this one a key of its own."
        )
    if job.status in (JobStatus.FAILED, JobStatus.CANCELLED):
        job.status, job.attempts, job.error, job.note, job.finished_at = JobStatus.QUEUED, 0, None, None, None
        job.payload, job.worker, job.lease_until = payload, None, None
        session.flush()
    return job


def enqueue_request(session: Session, now: datetime, kind: str, request: dict[str, Any]) -> Job:
    """Queue a request that may be asked for again when it is done; one that is open, or failed, is not queued twice."""
    key = f"{kind}:{digest_of(request)}:"
    earlier = select(func.count()).select_from(Job).where(Job.dedupe_key.startswith(key), Job.status == JobStatus.DONE)
    return enqueue(session, now, kind, request, f"{key}{session.scalar(earlier)}")


def claim_job(
    session: Session, now: datetime, worker: str, lease_s: float = LEASE_S, kinds: Collection[str] | None = None
) -> Job | None:
    """Claim the oldest job that is queued or whose lease has run out; None when there is none.

    A job that has lost its worker `MAX_ATTEMPTS` times fails instead.
    """
    expired = and_(Job.status == JobStatus.RUNNING, Job.lease_until < now)
    session.execute(
        update(Job)
        .where(expired, Job.attempts >= MAX_ATTEMPTS)
        .values(status=JobStatus.FAILED, finished_at=now, error=f"its worker was lost {MAX_ATTEMPTS} times")
        .execution_options(synchronize_session=False)
    )
    wanted = select(Job.id).where(or_(Job.status == JobStatus.QUEUED, expired))
    if kinds is not None:
        wanted = wanted.where(Job.kind.in_(kinds))
    oldest = wanted.order_by(Job.id).limit(1).with_for_update(skip_locked=True).cte("oldest")
    claim = (
        update(Job)
        .where(Job.id.in_(select(oldest.c.id)))
        .values(
            status=JobStatus.RUNNING,
            worker=worker,
            lease_until=now + timedelta(seconds=lease_s),
            attempts=Job.attempts + 1,
        )
        .returning(Job)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return session.scalars(claim).one_or_none()


def heartbeat(
    session: Session, now: datetime, job_id: int, worker: str, done: int, total: int, note: str | None = None
) -> bool:
    """Record progress and renew the lease; False when the job was cancelled or went to another worker."""
    values = {"done": done, "total": total, "note": note[:500] if note else None}
    return _change(session, job_id, worker, values | {"lease_until": now + timedelta(seconds=LEASE_S)})


def finish(session: Session, now: datetime, job_id: int, worker: str) -> bool:
    """Mark the job done, and forget the files that its request names; False when it is no longer this worker's."""
    values = {"status": JobStatus.DONE, "finished_at": now, "lease_until": None}
    is_done = _change(session, job_id, worker, values)
    _forget_files(session, job_id)
    return is_done


def fail(session: Session, now: datetime, job_id: int, worker: str, error: str) -> bool:
    """Mark the job failed with its error; False when it is no longer this worker's.

    Its request stays: the error is about what it names, and the same request queued again is this job again.
    """
    values = {"status": JobStatus.FAILED, "finished_at": now, "lease_until": None, "error": error}
    return _change(session, job_id, worker, values)


def release(session: Session, job_id: int, worker: str) -> bool:
    """Put a running job back into the queue when its worker stops; False when it is not this worker's."""
    values = {"status": JobStatus.QUEUED, "lease_until": None, "worker": None, "attempts": Job.attempts - 1}
    return _change(session, job_id, worker, values)


def cancel(session: Session, now: datetime, job_id: int) -> Job:
    """Cancel a queued or running job; its worker stops at the next heartbeat. Raises NotFound, Conflict when over."""
    query = (
        update(Job)
        .where(Job.id == job_id, Job.status.in_(_OPEN))
        .values(status=JobStatus.CANCELLED, finished_at=now, lease_until=None)
        .returning(Job)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    job = session.scalars(query).one_or_none()
    if job is not None:
        _forget_files(session, job_id)
        return job
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id}. `rounds jobs list` shows those there are.")
    raise Conflict(f"job {job_id} is {job.status} already; only a queued or running one can be cancelled.")


def list_jobs(session: Session, statuses: Collection[JobStatus] | None = None, limit: int = 100) -> Sequence[Job]:
    """List jobs, the newest first."""
    query = select(Job).order_by(Job.id.desc()).limit(limit)
    if statuses is not None:
        query = query.where(Job.status.in_(statuses))
    return session.scalars(query).all()


# Where the request of each kind of job names a run, a study, a snapshot, a batch or a generator.
_NAMES = {
    "run": (("train", ("name",)), ("evaluate", ("run",))),
    "study": (("study", ("plan", "name")),),
    "snapshot": (
        ("train", ("snapshot",)),
        ("fit", ("snapshot",)),
        ("pretrain", ("snapshot",)),
        ("distil", ("snapshot",)),
        ("align", ("snapshot",)),
        ("canaries", ("snapshot",)),
        ("measure", ("request", "snapshot")),
    ),
    "backbone": (
        ("train", ("config", "backbone")),
        ("study", ("plan", "adaptation", "backbone")),
        ("measure", ("backbone",)),
        ("canaries", ("backbone",)),
        ("privacy", ("backbone",)),
        ("align", ("image",)),
        ("align", ("text",)),
        ("distil", ("teacher",)),
        ("distil", ("name",)),
        ("pretrain", ("recipe", "backbone")),
        ("pretrain", ("recipe", "objective", "teacher")),
        ("pretrain", ("recipe", "objective", "self_supervised", "teacher")),
    ),
    "batch": (("generate", ("batch",)), ("screen", ("batch",)), ("measure", ("request", "batches"))),
    "generator": (("fit", ("name",)), ("canaries", ("autoencoder",)), ("privacy", ("autoencoder",))),
}


def open_jobs_naming(session: Session, thing: str, name: str | int) -> list[Job]:
    """Find the queued and running jobs whose request names this run, study, snapshot, batch, backbone or generator."""
    jobs = session.scalars(select(Job).where(Job.status.in_(_OPEN)).order_by(Job.id))
    return [
        job for job in jobs if any(job.kind == kind and _names(job.payload, path, name) for kind, path in _NAMES[thing])
    ]


def _names(payload: Any, path: tuple[str, ...], name: str | int) -> bool:
    """Tell whether this place of a request holds the name, alone or among others."""
    for key in path:
        payload = payload.get(key) if isinstance(payload, dict) else None
    return name in payload if isinstance(payload, list) else payload == name


def is_lost(job: Job, now: datetime) -> bool:
    """Tell whether a job is marked as running while the lease of its worker is over: killed, or cut off."""
    return job.status is JobStatus.RUNNING and (job.lease_until is None or job.lease_until < now)


def _add(session: Session, now: datetime, kind: str, payload: dict[str, Any], dedupe_key: str | None) -> Job:
    job = Job(kind=kind, payload=payload, dedupe_key=dedupe_key, status=JobStatus.QUEUED, created_at=now)
    session.add(job)
    session.flush()
    return job


def _forget_files(session: Session, job_id: int) -> None:
    """Empty the request of a job that is done or cancelled, if it names files."""
    over = (JobStatus.DONE, JobStatus.CANCELLED)
    session.execute(
        update(Job)
        .where(Job.id == job_id, Job.kind.in_(NAMES_FILES), Job.status.in_(over))
        .values(payload={})
        .execution_options(synchronize_session=False)
    )


def _change(session: Session, job_id: int, worker: str, values: dict[str, Any]) -> bool:
    """Change a job that runs under `worker`; False when there is no such job."""
    query = (
        update(Job)
        .where(Job.id == job_id, Job.worker == worker, Job.status == JobStatus.RUNNING)
        .values(**values)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    return session.scalars(query).one_or_none() is not None
