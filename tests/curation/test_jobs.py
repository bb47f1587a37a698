"""Jobs: each is done once, a lost worker's lease expires, a cancelled one stops."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from curation import jobs
from curation.database import Database
from curation.errors import Conflict, NotFound
from curation.tables.operations import Job, JobStatus

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def _enqueue(database: Database, count: int = 1, kind: str = "generate") -> list[int]:
    with database.write() as session:
        return [jobs.enqueue(session, NOW, kind, {"batch": number}).id for number in range(count)]


def _claim(database: Database, worker: str, at: datetime = NOW, kinds: list[str] | None = None) -> int | None:
    with database.write() as session:
        job = jobs.claim_job(session, at, worker, lease_s=60, kinds=kinds)
        return job.id if job else None


def _get(database: Database, job_id: int) -> Job:
    with database.read() as session:
        return session.get_one(Job, job_id)


@pytest.mark.slow
def test_eight_threads_claim_two_hundred_jobs_each_exactly_once(database: Database) -> None:
    queued = _enqueue(database, 200)

    def work(worker: int) -> list[int]:
        taken = []
        while (job_id := _claim(database, f"worker-{worker}")) is not None:
            taken.append(job_id)
        return taken

    with ThreadPoolExecutor(8) as pool:
        claimed = [job_id for taken in pool.map(work, range(8)) for job_id in taken]
    assert sorted(claimed) == queued


def test_a_job_of_a_lost_worker_is_claimed_again_once_its_lease_has_run_out(database: Database) -> None:
    [job_id] = _enqueue(database)
    assert _claim(database, "first") == job_id
    assert _claim(database, "second", NOW + timedelta(seconds=59)) is None
    assert _claim(database, "second", NOW + timedelta(seconds=61)) == job_id
    with database.write() as session:
        assert not jobs.heartbeat(session, NOW, job_id, "first", 1, 2)
        assert not jobs.finish(session, NOW, job_id, "first")
        assert jobs.finish(session, NOW, job_id, "second")
    assert (_get(database, job_id).status, _get(database, job_id).attempts) == (JobStatus.DONE, 2)


def test_a_heartbeat_renews_the_lease_and_shows_progress(database: Database) -> None:
    [job_id] = _enqueue(database)
    _claim(database, "worker")
    with database.write() as session:
        assert jobs.heartbeat(session, NOW + timedelta(seconds=50), job_id, "worker", 3, 8, "drawing")
    assert _claim(database, "other", NOW + timedelta(seconds=100)) is None
    job = _get(database, job_id)
    assert (job.done, job.total, job.note) == (3, 8, "drawing")


def test_a_cancelled_job_stops_its_worker_and_is_not_claimed_again(database: Database) -> None:
    running, queued = _enqueue(database, 2)
    assert _claim(database, "worker") == running
    with database.write() as session:
        jobs.cancel(session, NOW, running)
        jobs.cancel(session, NOW, queued)
        assert not jobs.heartbeat(session, NOW, running, "worker", 1, 2)
        assert not jobs.finish(session, NOW, running, "worker")
    assert _claim(database, "worker", NOW + timedelta(days=1)) is None
    assert _get(database, running).status == JobStatus.CANCELLED


def test_cancelling_what_is_over_or_absent_says_so(database: Database) -> None:
    [job_id] = _enqueue(database)
    with database.write() as session:
        jobs.cancel(session, NOW, job_id)
        with pytest.raises(Conflict, match="is cancelled already"):
            jobs.cancel(session, NOW, job_id)
        with pytest.raises(NotFound, match="no job 99"):
            jobs.cancel(session, NOW, 99)


def test_a_failed_job_keeps_its_error_and_the_same_request_queues_it_again(database: Database) -> None:
    with database.write() as session:
        job_id = jobs.enqueue(session, NOW, "generate", {"batch": 1}, "batch-1").id
    _claim(database, "worker")
    with database.write() as session:
        assert jobs.fail(session, NOW, job_id, "worker", "out of memory")
    assert _get(database, job_id).error == "out of memory"
    with database.write() as session:
        assert jobs.enqueue(session, NOW, "generate", {"batch": 1}, "batch-1").id == job_id
    assert _claim(database, "worker") == job_id
    assert _get(database, job_id).error is None


def test_a_dedupe_key_never_makes_two_jobs_even_from_many_threads(database: Database) -> None:
    def ask(_: int) -> int:
        with database.write() as session:
            return jobs.enqueue(session, NOW, "screen", {"batch": 7}, "screen-7").id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1
    with database.write() as session, pytest.raises(Conflict, match="another payload"):
        jobs.enqueue(session, NOW, "screen", {"batch": 8}, "screen-7")


def test_a_worker_takes_only_the_kinds_it_knows_and_a_stopping_one_puts_its_job_back(database: Database) -> None:
    [job_id] = _enqueue(database, kind="train")
    assert _claim(database, "worker", kinds=["generate", "screen"]) is None
    assert _claim(database, "worker", kinds=["train"]) == job_id
    with database.write() as session:
        assert jobs.release(session, job_id, "worker")
    assert _claim(database, "other") == job_id
    assert _get(database, job_id).attempts == 1


def test_a_job_that_loses_every_worker_is_failed_in_the_end(database: Database) -> None:
    [job_id] = _enqueue(database)
    for attempt in range(jobs.MAX_ATTEMPTS):
        assert _claim(database, "worker", NOW + timedelta(minutes=2 * attempt)) == job_id
    assert _claim(database, "worker", NOW + timedelta(hours=1)) is None
    assert _get(database, job_id).status == JobStatus.FAILED


def test_the_list_shows_the_newest_first(database: Database) -> None:
    queued = _enqueue(database, 3)
    _claim(database, "worker")
    with database.read() as session:
        assert [job.id for job in jobs.list_jobs(session)] == queued[::-1]
        assert [job.id for job in jobs.list_jobs(session, [JobStatus.RUNNING])] == queued[:1]
