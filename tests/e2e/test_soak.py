"""Killed browsers, killed servers and cut networks lose no reading and count none twice.

A thousand readings by four readers and fifty such moments with ROUNDS_SOAK=1, a few of each otherwise.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from curation.progress import silent
from curation.project import Project
from curation.verification.verify import verify_project
from tests.builders import add_candidates
from tests.e2e.cable import Cable, random_cut
from tests.e2e.conftest import Room
from tests.e2e.marked_pictures import marked_picture
from tests.e2e.soak_account import Account, draw_up
from tests.e2e.soak_reader import SoakReader
from tests.review_ui.serving import ReviewServer
from tests.soak_record import record_soak
from tests.worlds.recorded import record_rows

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.slow]

SOAK = os.environ.get("ROUNDS_SOAK") == "1"
READINGS, MOMENTS = (1_000, 50) if SOAK else (40, 3)
READERS = 4
AHEAD = 48 * READERS  # images that the browsers hold beyond what is read
SEED = int(os.environ.get("ROUNDS_SOAK_SEED", "20261124"))


@pytest.fixture
def marked_room(tmp_path: Path, make_project: Callable[[Path], Project]) -> Iterator[Room]:
    """A server of this test's own over pictures that carry their number."""
    project = make_project(tmp_path / "soak")
    with project.database.write() as session:
        batch_id = add_candidates(project, session, [marked_picture(n) for n in range(READINGS + 2 * AHEAD)]).id
    record_rows(project)
    server = ReviewServer(project.root)
    server.start()
    yield Room(server, project, batch_id)
    server.stop()
    project.database.dispose()


@pytest.mark.usefixtures("browser")
@pytest.mark.timeout(3_600 if SOAK else 300)
def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(marked_room: Room, tmp_path: Path) -> None:
    worklist_id = marked_room.worklist()
    names = [marked_room.reader() for _ in range(READERS)]
    started = time.monotonic()
    with ThreadPoolExecutor(1) as own_loop:  # the session's browser has an event loop on this thread
        readers, done, kept = own_loop.submit(asyncio.run, soak(marked_room, names, tmp_path)).result()
    seconds = time.monotonic() - started
    with marked_room.project.database.read() as session:
        account = draw_up(session, worklist_id, readers)
    if SOAK:
        write_down(account, done, seconds)
    assert account.lost == []
    assert account.doubled == []
    assert account.faults == []
    assert kept == []
    assert sum(reader.verdicts for reader in readers) == READINGS
    verification = verify_project(marked_room.project, silent)
    assert (verification.faults, verification.chain.faults) == ([], [])


async def soak(
    room: Room, names: list[str], scratch: Path
) -> tuple[list[SoakReader], Counter[str], list[dict[str, Any]]]:
    """Let everyone read while things break; returns the readers, what broke, and what their outboxes still hold."""
    rng = random.Random(SEED)
    async with async_playwright() as playwright:
        cables = [Cable(room.server.port) for _ in names]
        for cable in cables:
            await cable.plug()
        readers = [
            SoakReader(playwright, name, cable, scratch / name, random.Random(rng.random()))
            for name, cable in zip(names, cables, strict=True)
        ]
        done: Counter[str] = Counter()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(break_things(rng, room.server, readers, done))
                for reader in readers:
                    tasks.create_task(reader.read(READINGS // READERS))
            kept = [entry for reader in readers for entry in await reader.finish()]
        finally:
            for reader in readers:
                await reader.leave()
            for cable in cables:
                await cable.pull()
        return readers, done, kept


async def break_things(rng: random.Random, server: ReviewServer, readers: list[SoakReader], done: Counter[str]) -> None:
    """At each of the random moments, counted in verdicts, break one thing and mend it."""
    kinds = ["browser killed", "server killed", "network cut"]
    planned = [kinds[number % len(kinds)] for number in range(MOMENTS)]
    rng.shuffle(planned)
    moments = sorted(rng.sample(range(READERS, READINGS - READERS), MOMENTS))
    for moment, kind in zip(moments, planned, strict=True):
        while sum(reader.verdicts for reader in readers) < moment:
            await asyncio.sleep(0.01)
        await asyncio.sleep(rng.uniform(0, 0.3))
        reader = rng.choice(readers)
        if kind == "server killed":
            server.kill()
            await asyncio.sleep(rng.uniform(0, 1.5))
            await asyncio.to_thread(server.start)
        elif kind == "network cut":
            seconds, swallow_s = random_cut(rng)
            chosen = rng.sample(readers, rng.randint(1, len(readers)))
            await asyncio.gather(*(reader.cable.cut(seconds, swallow_s) for reader in chosen))
        else:
            await end_browser(rng, reader)
        done[kind] += 1


async def end_browser(rng: random.Random, reader: SoakReader) -> None:
    """Kill a browser, or close its tab; half of the time while readings wait in it for the network."""
    waiting = rng.random() < 0.5
    if waiting:
        await reader.cable.pull()
        await asyncio.sleep(rng.uniform(2, 4))
    if rng.random() < 0.75:
        await reader.kill_browser()
    else:
        await reader.close_tab()
    if waiting:
        await reader.cable.plug()


def write_down(account: Account, done: Counter[str], seconds: float) -> None:
    """A row of docs/soak.md."""
    broken = ", ".join(f"{count} {kind}" for kind, count in sorted(done.items()))
    counts = (
        f"{READERS} readers, {account.pressed:,} presses, {account.recorded:,} rows; "
        f"{account.not_kept} pressed as a browser was killed and asked again"
    )
    doubled, lost = len(account.doubled), len(account.lost)
    record_soak("reading in browsers", counts, broken, account.acknowledged, lost, doubled, seconds)
