"""Readings a second with ten readers at once, on SQLite and PostgreSQL, beside select-then-update.

    python -m benchmarks.readings_per_second --readings 2000

`Rounds` claims four images at a time and records each reading in its own transaction with its link of the chain;
`naive` is what one writes first: select the first open slot, mark it done, add the reading, in one ordinary transaction
without lease or chain; it tries again when the database refuses. Both run in ten threads of this process. `over HTTP`
is Rounds' whole server as a browser uses it: one request per reading, signed in. Both databases wait for the disk.
"""

import argparse
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from benchmarks.candidate_rows import make_project
from curation.project import Project
from curation.reading.claims import claim
from curation.reading.record import record_reading
from curation.reading.request import ReadingRequest
from curation.tables.people import Reader
from curation.tables.reading import Assignment, AssignmentState, Reading, Verdict, Worklist
from tests.e2e.conftest import PASSWORD
from tests.postgres import create_database, postgres_binaries, running_postgres
from tests.review_ui.serving import ReviewServer

READERS = 10
AT_ONCE = 4


@dataclass
class Result:
    """One line of the table."""

    name: str
    per_s: float
    doubled: int
    refused: int


@dataclass
class Tally:
    """What threads count together."""

    refused: int = 0
    failures: list[BaseException] = field(default_factory=list)


Work = Callable[[Project, int, int, int, Tally], None]


def now() -> datetime:
    """The moment in UTC."""
    return datetime.now(UTC)


def read_in_process(project: Project, worklist_id: int, reader_id: int, count: int, _: Tally) -> None:
    """Claim and record, as the routes do it."""
    recorded = 0
    while recorded < count:
        with project.database.write() as session:
            held = claim(session, now(), reader_id, worklist_id, min(AT_ONCE, count - recorded))
        for item in held:
            request = ReadingRequest(op_id=uuid.uuid4().hex, assignment_key=item.key, verdict="accept", read_at=now())
            with project.database.write() as session:
                record_reading(session, project.chain, now(), reader_id, request)
            recorded += 1


def read_naively(project: Project, worklist_id: int, reader_id: int, count: int, tally: Tally) -> None:
    """Select the first open slot, then update it."""
    recorded = 0
    while recorded < count:
        try:
            with Session(project.database.engine) as session, session.begin():
                open_slots = select(Assignment).where(
                    Assignment.worklist_id == worklist_id, Assignment.state == AssignmentState.OPEN
                )
                slot = session.scalars(open_slots.order_by(Assignment.position).limit(1)).one()
                slot.state, slot.reader_id = AssignmentState.DONE, reader_id
                session.add(
                    Reading(
                        op_id=uuid.uuid4().hex,
                        assignment_id=slot.id,
                        item_id=slot.item_id,
                        reader_id=reader_id,
                        verdict=Verdict.ACCEPT,
                        reasons=[],
                        read_at=now(),
                        created_at=now(),
                    )
                )
            recorded += 1
        except DBAPIError:
            tally.refused += 1


def read_over_http(project: Project, worklist_id: int, reader_id: int, count: int, _: Tally) -> None:
    """Sign in, claim, and send each reading by itself."""
    url = os.environ["BENCHMARK_URL"]
    with project.database.read() as session:
        name = session.get_one(Reader, reader_id).name
    with httpx.Client(base_url=url, headers={"Origin": url, "Accept": "application/json"}, timeout=60) as client:
        signed_in = client.post("/rounds/sign-in", data={"name": name, "password": PASSWORD}).raise_for_status().json()
        client.headers["X-CSRF-Token"] = signed_in["csrf"]
        recorded = 0
        while recorded < count:
            wanted = {"count": min(48, count - recorded)}
            answer = client.post(f"/rounds/api/worklists/{worklist_id}/claim", json=wanted).raise_for_status().json()
            for item in answer["items"]:
                body = {"assignment_key": item["key"], "verdict": "accept", "read_at": now().isoformat()}
                operation = {"kind": "reading", "op_id": uuid.uuid4().hex, "body": body}
                sent = {"worklist_id": worklist_id, "operations": [operation]}
                results = client.post("/rounds/api/readings", json=sent).raise_for_status().json()["results"]
                assert results[0]["state"] == "saved"
                recorded += 1


def all_at_once(name: str, project: Project, work: Work, readings: int) -> Result:
    """Ten readers at work; readings that stand per second, and images that were read twice."""
    with project.database.read() as session:
        worklist_id = session.scalars(select(Worklist.id)).one()
        readers = session.scalars(select(Reader.id).order_by(Reader.id)).all()
        before = session.scalar(select(func.count()).select_from(Reading)) or 0
    tally = Tally()
    seconds = run_threads(work, project, worklist_id, readers, readings // READERS, tally)
    with project.database.read() as session:
        rows = (session.scalar(select(func.count()).select_from(Reading)) or 0) - before
        last = select(Reading.item_id).order_by(Reading.id.desc()).limit(rows).subquery()
        distinct = session.scalar(select(func.count(func.distinct(last.c.item_id)))) or 0
    return Result(name, rows / seconds, rows - distinct, tally.refused)


def run_threads(
    work: Work, project: Project, worklist_id: int, readers: Sequence[int], count: int, tally: Tally
) -> float:
    """Seconds until the last is done; raises what a thread raised."""

    def guarded(reader_id: int) -> None:
        try:
            work(project, worklist_id, reader_id, count, tally)
        except BaseException as error:
            tally.failures.append(error)

    threads = [threading.Thread(target=guarded, args=(reader_id,)) for reader_id in readers]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    if tally.failures:
        raise tally.failures[0]
    return seconds


def measure(root: Path, url: str, where: str, readings: int, images: int) -> list[Result]:
    """Rounds, the naive way and Rounds over HTTP, one after the other on one database."""
    project = make_project(root, images, [f"reader {number}" for number in range(READERS)], url)
    ours = all_at_once(f"Rounds, {where}", project, read_in_process, readings)
    server = ReviewServer(root)
    server.start()
    os.environ["BENCHMARK_URL"] = server.url
    try:
        over_http = all_at_once(f"Rounds over HTTP, {where}", project, read_over_http, readings)
    finally:
        server.stop()
    naive = all_at_once(f"naive, {where}", project, read_naively, readings)
    project.database.dispose()
    return [ours, naive, over_http]


def main() -> None:
    """Measure both databases and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--readings", type=int, default=2_000)
    parser.add_argument("--images", type=int, default=20_000)
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        results = measure(directory / "sqlite", "sqlite:///rounds.db", "SQLite", arguments.readings, arguments.images)
        if binaries := postgres_binaries():
            server = stack.enter_context(running_postgres(binaries, durable=True))
            url = create_database(server, "bench")
            results += measure(directory / "postgres", url, "PostgreSQL", arguments.readings, arguments.images)
        else:
            print("PostgreSQL is not installed; its rows are missing.")
    print(f"{arguments.readings} readings by {READERS} readers, {os.cpu_count()} cores, ", end="")
    print(f"load {before:.1f} before and {os.getloadavg()[0]:.1f} after\n")
    print("| ten readers at once | readings a second | images read twice by accident | tries the database refused |")
    print("|---|---|---|---|")
    for result in results:
        print(f"| {result.name} | {result.per_s:.0f} | {result.doubled} | {result.refused} |")


if __name__ == "__main__":
    main()
