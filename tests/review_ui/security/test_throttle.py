"""Guessing is slowed down by name and place, within bounded memory, and keeps no reader out."""

import asyncio
import logging
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from curation.project import Project
from curation.readers.accounts import sign_out_everywhere, unlock_reader
from review_ui.security.devices import DEVICE_COOKIE, KNOWN_FOR
from review_ui.security.throttle import (
    FIRST_WAIT,
    FORGOTTEN_AFTER,
    FREE_TRIES,
    LONGEST_WAIT,
    PAIRS_KEPT,
    Line,
    SlowDown,
    TryLater,
    network_of,
)
from tests.review_ui.conftest import ORIGIN, PASSWORD, Browser, Clock
from tests.review_ui.serving import ReviewServer
from tests.rows import NOW

SECOND = timedelta(seconds=1)


def exhaust(browser: Browser, name: str = "ada") -> None:
    """Try wrong passwords until the next one has to wait."""
    for _ in range(FREE_TRIES):
        assert browser.sign_in(name, "wrong") == 401
    assert browser.sign_in(name, "wrong") == 429


def test_the_wait_of_a_pair_doubles_up_to_its_bound_and_is_forgotten() -> None:
    slow_down, now, waits = SlowDown(), NOW, list[float]()
    for _ in range(20):
        due = slow_down.take("ada", "10.0.0.1", now)
        waits.append((due - now).total_seconds())
        if due > now:
            with pytest.raises(TryLater) as refused:
                slow_down.take("ada", "10.0.0.1", due - SECOND)
            assert (refused.value.status, refused.value.retry_after_s) == (429, 1)
        now = due
    assert waits[: FREE_TRIES + 3] == [0, 0, 0, 0, 5, 10, 20, 40]
    assert waits[-1] == LONGEST_WAIT.total_seconds()
    slow_down.take("ada", "10.0.0.2", now)
    slow_down.take("ben", "10.0.0.1", now)
    assert slow_down.take("ada", "10.0.0.1", now + FORGOTTEN_AFTER) <= now + FORGOTTEN_AFTER


def test_many_pairs_do_not_fill_the_memory() -> None:
    slow_down = SlowDown()
    for number in range(PAIRS_KEPT + 5):
        slow_down.take(str(number), "10.0.0.1", NOW)
    assert len(slow_down.pairs) == PAIRS_KEPT


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("testclient", "testclient"),
    ],
)
def test_a_place_is_what_one_person_may_have_whole(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_line_does_so_much_at_once_and_no_place_fills_it() -> None:
    line, may_end = Line(threads=2, places=5, places_each=3), threading.Event()
    at_work, most = Counter[str](), list[int]()

    def work() -> str:
        at_work["now"] += 1
        most.append(at_work["now"])
        may_end.wait(10)
        at_work["now"] -= 1
        return "done"

    async def several() -> list[str]:
        asked = [asyncio.create_task(line.run(place, work)) for place in "aaaabbbc"]
        while len(most) < 2:
            await asyncio.sleep(0)
        may_end.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [str(answer.status) if isinstance(answer, TryLater) else str(answer) for answer in answers]

    assert asyncio.run(several()) == [*["done"] * 3, "503", *["done"] * 2, "503", "503"]
    assert max(most) == 2
    assert not line.taken


@pytest.mark.slow
def test_a_known_name_and_one_that_nobody_has_are_slowed_down_alike(stranger: Browser, clock: Clock) -> None:
    seen = []
    for name in ("ada", "nobody"):
        exhaust(stranger, name)
        answer = stranger.client.post(
            "/rounds/sign-in", data={"name": name, "password": PASSWORD}, headers={"Origin": ORIGIN}
        )
        seen.append((answer.status_code, answer.headers["retry-after"], answer.text.replace(name, "NAME")))
    assert seen[0] == seen[1]
    assert seen[0][:2] == (429, "5")
    clock.move(5 * SECOND)
    assert stranger.sign_in("ada") == 200


def test_a_device_that_signed_in_before_need_not_wait(
    ada: Browser, stranger: Browser, open_browser: Callable[[], Browser]
) -> None:
    ada.client.post("/rounds/api/sign-out", headers=ada.headers)
    exhaust(stranger)
    assert ada.sign_in("ada") == 200
    assert open_browser().sign_in("ada") == 429, "one that never signed in waits with the stranger at its address"
    assert open_browser().sign_in("ben") == 200
    assert stranger.sign_in("ada") == 429


def test_a_device_has_its_own_count_which_a_copy_shares(ada: Browser, open_browser: Callable[[], Browser]) -> None:
    mark = ada.client.cookies[DEVICE_COOKIE]
    copy = open_browser()
    copy.client.cookies.set(DEVICE_COOKIE, mark)
    exhaust(copy)
    assert ada.sign_in("ada") == 429
    assert open_browser().sign_in("ada") == 200


def test_a_workstation_is_known_to_each_of_its_readers_and_its_cookie_names_none(
    ada: Browser, stranger: Browser, clock: Clock
) -> None:
    first = ada.client.cookies[DEVICE_COOKIE]
    clock.move(SECOND)
    assert ada.sign_in("ben") == 200
    both = ada.client.cookies[DEVICE_COOKIE]
    assert both.endswith(f"~{first}")
    clock.move(SECOND)
    assert ada.sign_in("ada") == 200
    assert ada.client.cookies[DEVICE_COOKIE].count("~") == 1, "the mark of an account is replaced"
    assert first not in ada.client.cookies[DEVICE_COOKIE]
    for name in ("ada", "ben"):
        exhaust(stranger, name)
        assert ada.sign_in(name) == 200
        assert name not in re.split(r"[~.]", ada.client.cookies[DEVICE_COOKIE])  # its random parts may spell a name


@pytest.mark.parametrize("how", ["everywhere", "password", "half a year", "another account", "forged"])
def test_a_device_is_known_no_more(
    how: str, ada: Browser, stranger: Browser, project: Project, clock: Clock, open_browser: Callable[[], Browser]
) -> None:
    mark, password, name = ada.client.cookies[DEVICE_COOKIE], PASSWORD, "ada"
    clock.move(SECOND)
    if how == "everywhere":
        with project.database.write() as session:
            sign_out_everywhere(session, project.chain, clock(), "ada")
    elif how == "password":
        change, password = {"current": PASSWORD, "new": "another long password"}, "another long password"
        assert ada.client.post("/rounds/api/password", json=change, headers=ada.headers).status_code == 200
    elif how == "half a year":
        clock.move(KNOWN_FOR)
    elif how == "another account":
        name = "ben"
    else:
        number, at_ms, seal = mark.split(".")
        mark = f"{number}.{int(at_ms) + 1}.{seal}"
    exhaust(stranger, name)
    old = open_browser()
    old.client.cookies.set(DEVICE_COOKIE, mark)
    assert old.sign_in(name, password) == 429
    if how == "password":
        assert ada.sign_in(name, password) == 200, "the browser where it was changed is known at once"


def test_an_unlock_forgives_at_once(stranger: Browser, project: Project, clock: Clock) -> None:
    exhaust(stranger)
    clock.move(SECOND)
    with project.database.write() as session:
        unlock_reader(session, project.chain, clock(), "ada")
    clock.move(SECOND)
    assert stranger.sign_in("ada") == 200


def test_a_proxy_that_hides_addresses_is_named_once(stranger: Browser, caplog: pytest.LogCaptureFixture) -> None:
    stranger.client.headers["X-Forwarded-For"] = "192.0.2.7"
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert stranger.sign_in("nobody") == 401
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "--forwarded-allow-ips testclient" in caplog.text


@pytest.mark.slow
def test_two_hundred_tries_at_once_keep_no_reader_out(project: Project) -> None:
    server = ReviewServer(project.root)
    server.start()
    origin = {"Origin": server.url, "Accept": "application/json"}

    def wrong(number: int) -> tuple[int, str | None]:
        name = "ada" if number % 2 else "nobody"
        answer = client.post(sign_in, data={"name": name, "password": "wrong"}, headers=origin)
        return answer.status_code, answer.headers.get("retry-after")

    sign_in = f"{server.url}/rounds/sign-in"
    right = {"name": "ada", "password": PASSWORD}
    started = time.monotonic()
    try:
        with httpx.Client(trust_env=False, timeout=60) as reader, httpx.Client(trust_env=False, timeout=60) as client:
            assert reader.post(sign_in, data=right, headers=origin).status_code == 200
            with ThreadPoolExecutor(40) as strangers:
                tries = [strangers.submit(wrong, number) for number in range(200)]
                assert reader.post(sign_in, data=right, headers=origin).status_code == 200
                answers = Counter(job.result()[0] for job in tries)
            assert all(job.result()[1] for job in tries if job.result()[0] != 401)
            waits = int(math.log2((time.monotonic() - started) / FIRST_WAIT.total_seconds() + 1))  # each twice the last
            assert answers[401] <= 2 * (FREE_TRIES + waits)  # a slow machine gives time for more than the first tries
            assert set(answers) <= {401, 429, 503}
            assert reader.post(sign_in, data=right, headers=origin).status_code == 200
    finally:
        server.stop()
