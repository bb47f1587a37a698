"""Reload, a killed server, no network, an ended session: no verdict is lost and none is counted twice."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from sqlalchemy import update

from curation.tables.people import SignIn
from tests.e2e.conftest import (
    PASSWORD,
    Room,
    shown_key,
    sign_in,
    sign_in_anywhere,
    wait_until_loaded,
    wait_until_reading,
    wait_until_saved,
)

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
NewContext = Callable[..., BrowserContext]
SLOW_DISK = """Object.defineProperty(IDBTransaction.prototype, "oncomplete", {
  set(listener) { this.addEventListener("complete", (event) => setTimeout(() => listener(event), 2000)); },
})"""


def press(page: Page, times: int) -> list[str]:
    """Accept `times` images, each once it is on the screen, and return their keys."""
    keys: list[str] = []
    for _ in range(times):
        page.wait_for_function(
            "done => [...document.querySelectorAll('*')].some(node => {"
            " const shown = node.shadowRoot?.querySelector('.room')?.dataset.shown; return shown && shown !== done; })",
            arg=keys[-1] if keys else "",
        )
        keys.append(shown_key(page))
        page.keyboard.press("a")
    return keys


def test_a_reload_midway_takes_up_where_it_was(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    keys = press(page, 6)
    page.reload()
    wait_until_reading(page)
    keys += press(page, 6)
    readings = room.wait_for_readings(worklist_id, 12)
    assert sorted(reading.key for reading in readings) == sorted(keys)
    page.keyboard.press("u")
    wait_until_saved(page)
    expect(page.locator("[data-slot=done]")).to_have_text("11 read")


def test_undo_reaches_back_over_a_reload(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    keys = press(page, 2)
    wait_until_saved(page)
    page.reload()
    wait_until_reading(page)
    page.keyboard.press("u")
    page.wait_for_function(
        "key => [...document.querySelectorAll('*')].some(node => node.shadowRoot?"
        ".querySelector('.room')?.dataset.shown === key)",
        arg=keys[1],
    )
    page.keyboard.press("x")
    readings = room.wait_for_readings(worklist_id, 3)
    assert [(reading.key, reading.voided) for reading in readings] == [
        (keys[0], False),
        (keys[1], True),
        (keys[1], False),
    ]


def test_a_server_killed_and_started_again_loses_nothing(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    keys = press(page, 5)
    room.server.kill()
    keys += press(page, 5)
    expect(page.locator("[data-slot=saved]")).to_contain_text("kept on this device")
    room.server.start()
    keys += press(page, 5)
    readings = room.wait_for_readings(worklist_id, 15)
    assert [reading.key for reading in readings] == keys
    wait_until_saved(page)


def test_a_tab_closed_while_the_server_was_down_sends_when_it_opens_again(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    context = new_context()
    page = context.new_page()
    sign_in(page, room, room.reader())
    room.server.kill()
    keys = press(page, 4)
    expect(page.locator("[data-slot=saved]")).to_contain_text("4 kept on this device")
    page.close()
    room.server.start()
    again = context.new_page()
    again.goto(room.server.url)
    wait_until_reading(again)
    keys += press(again, 2)
    readings = room.wait_for_readings(worklist_id, 6)
    assert [reading.key for reading in readings] == keys


def test_a_reading_is_called_kept_once_it_is_on_the_disk(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context().new_page()
    page.add_init_script(SLOW_DISK)
    sign_in(page, room, room.reader())
    page.route("**/rounds/api/readings", lambda route: route.abort())
    saved = page.locator("[data-slot=saved]")
    press(page, 1)
    expect(saved).to_have_text("Offline, 1 kept on this device")
    press(page, 1)
    expect(saved).to_have_text("Offline, 1 kept on this device, 1 being written")
    expect(saved).to_have_text("Offline, 2 kept on this device")


def test_what_a_closed_tab_could_not_send_is_sent_by_the_one_that_is_open(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    context = new_context()
    cut_off, name = context.new_page(), room.reader()
    sign_in(cut_off, room, name)
    other = context.new_page()
    other.goto(room.server.url)
    wait_until_reading(other)
    cut_off.route("**/rounds/api/readings", lambda route: route.abort())
    keys = press(cut_off, 2)
    expect(cut_off.locator("[data-slot=saved]")).to_contain_text("2 kept on this device")
    assert room.readings(worklist_id) == []
    cut_off.goto("about:blank")
    assert [reading.key for reading in room.wait_for_readings(worklist_id, 2)] == keys


def test_reading_goes_on_without_a_network(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    context = new_context()
    page = context.new_page()
    sign_in(page, room, room.reader())
    context.set_offline(True)
    keys = press(page, 5)
    expect(page.locator("[data-slot=saved]")).to_contain_text("5 kept on this device")
    assert room.readings(worklist_id) == []
    context.set_offline(False)
    readings = room.wait_for_readings(worklist_id, 5)
    assert [reading.key for reading in readings] == keys


def test_an_ended_session_asks_to_sign_in_again_and_then_sends(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    name = room.reader()
    page = new_context().new_page()
    sign_in(page, room, name)
    keys = press(page, 1)
    room.wait_for_readings(worklist_id, 1)
    with room.project.database.write() as session:
        session.execute(update(SignIn).values(revoked_at=datetime.now(UTC)))
    keys += press(page, 1)
    dialog = page.locator("dialog.sign-in")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("1 reading is kept on this device")
    dialog.locator("[name=password]").fill("not the password")
    dialog.locator("button").click()
    expect(dialog).to_contain_text("Name or password is not right")
    dialog.locator("[name=password]").fill(PASSWORD)
    dialog.locator("button").click()
    expect(dialog).to_be_hidden()
    keys += press(page, 1)
    readings = room.wait_for_readings(worklist_id, 3)
    assert [reading.key for reading in readings] == keys


@pytest.mark.parametrize("late", ["a reading", "an image"])
def test_an_ended_session_is_told_once_and_nothing_is_sent_meanwhile(
    room: Room, new_context: NewContext, late: str
) -> None:
    """What was asked before signing in again and is answered afterwards does not ask to sign in a second time."""
    worklist_id = room.worklist()
    page = new_context().new_page()
    sent: list[Route] = []
    fetched: list[Route] = []

    def hold(routes: list[Route], number: int) -> Callable[[Route], None]:
        def handle(route: Route) -> None:
            routes.append(route)
            if len(routes) != number:
                route.continue_()

        return handle

    page.route("**/rounds/pixels/*", hold(fetched, 20 if late == "an image" else 0))
    page.route("**/rounds/api/readings", hold(sent, 2 if late == "a reading" else 0))
    sign_in(page, room, room.reader())
    while len(fetched) < 48:
        page.wait_for_timeout(50)
    page.wait_for_timeout(500)
    with room.project.database.write() as session:
        session.execute(update(SignIn).values(revoked_at=datetime.now(UTC)))
    keys = press(page, 1)
    dialog = page.locator("dialog.sign-in")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("1 reading is kept on this device")
    page.wait_for_timeout(2_000)
    assert len(sent) == 1
    page.evaluate("window.dispatchEvent(new Event('online'))")  # the outbox looks whether it can send
    while len(sent) < 2:
        page.wait_for_timeout(50)
    dialog.locator("[name=password]").fill(PASSWORD)
    dialog.locator("button").click()
    expect(dialog).to_be_hidden()
    held = sent[1] if late == "a reading" else fetched[19]
    held.fulfill(status=401, json={"error": "You are not signed in."})
    wait_until_saved(page)
    assert [reading.key for reading in room.wait_for_readings(worklist_id, 1)] == keys
    page.wait_for_timeout(500)
    expect(dialog).to_be_hidden()


def test_an_overview_left_open_shows_nothing_once_the_session_has_ended(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    page.get_by_text("Overview").first.click()
    expect(page.get_by_text("Accepted, by class").first).to_be_visible()
    with room.project.database.write() as session:
        session.execute(update(SignIn).values(revoked_at=datetime.now(UTC)))
    expect(page.get_by_text("Your session has ended").first).to_be_visible()
    expect(page.get_by_text("Accepted, by class")).to_have_count(0)


def test_two_readers_at_once_are_never_in_one_slot(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    pages = [new_context().new_page() for _ in range(2)]
    sign_in(pages[0], room, room.reader())
    sign_in_anywhere(pages[1], room, room.reader())
    pages[1].wait_for_selector(".room[data-state=reading]")
    wait_until_loaded(pages[1], 25)
    for _ in range(25):
        for page in pages:
            page.keyboard.press("a")
            time.sleep(0.02)
    readings = room.wait_for_readings(worklist_id, 50)
    assert len({reading.item_id for reading in readings}) == 50
    assert len({reading.reader_id for reading in readings}) == 2
