"""What the page loads and shows: no other host, no torch, nothing to a stranger."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import BrowserContext, expect

from curation.tables.people import Role
from tests.e2e.conftest import NOTICE, Room, process_maps, screenshots_wanted, sign_in, wait_until_saved

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]
IMAGES = Path(__file__).parents[2] / "docs" / "images"


def test_no_request_leaves_for_another_host_and_nothing_fails_on_the_way(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context(fresh=True).new_page()
    hosts: set[str] = set()
    troubles: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).netloc))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("response", lambda answer: troubles.append(answer.url) if answer.status >= 400 else None)
    sign_in(page, room, room.reader(Role.ADMINISTRATOR))
    page.keyboard.press("a")
    wait_until_saved(page)
    page.get_by_text("Overview").first.click()
    expect(page.get_by_text("Accepted, by class").first).to_be_visible()
    expect(page.locator("[data-testid=stImage] img").first).to_be_visible()
    page.goto(f"{room.server.url}/worklists")  # by its own address
    expect(page.get_by_text("Another worklist")).to_be_visible()
    assert hosts - {"", urlsplit(room.server.url).netloc} == set()
    assert troubles == []


def test_the_server_never_loads_torch(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader(Role.ADMINISTRATOR))
    page.get_by_text("Overview").first.click()
    expect(page.get_by_text("Accepted, by class").first).to_be_visible()
    assert room.server.process is not None
    loaded = process_maps(room.server.process)
    assert "libtorch" not in loaded


def test_streamlits_own_routes_are_closed_to_a_stranger(room: Room) -> None:
    for path in (
        "/",
        "/index.html",
        "/overview",
        "/favicon.png",
        "/_stcore/health",
        "/_stcore/host-config",
        "/static/",
    ):
        answer = httpx.get(f"{room.server.url}{path}", trust_env=False)
        assert (path, answer.status_code, answer.json()) == (path, 401, {"error": "sign in first."})
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    handshake = {**upgrade, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": room.server.url}
    assert httpx.get(f"{room.server.url}/_stcore/stream", headers=handshake, trust_env=False).status_code == 403


def test_a_reader_sees_their_own_readings_and_no_batch(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    page.keyboard.press("a")
    wait_until_saved(page)
    page.get_by_text("Overview").first.click()
    expect(page.get_by_text("Your readings: 1 of 80 read")).to_be_visible()
    expect(page.get_by_text(NOTICE).first).to_be_visible()
    assert page.get_by_text("Batch").count() == 0
    assert page.locator("[data-testid=stImage]").count() == 0


def test_window_zoom_and_invert_change_the_picture_and_stay_for_the_next(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    window, zoom = page.locator("[data-slot=window]"), page.locator("[data-slot=zoom]")
    before, fitted = window.inner_text(), zoom.inner_text()
    page.mouse.move(500, 400)
    page.mouse.down()
    page.mouse.move(420, 440)
    page.mouse.up()
    page.keyboard.press("i")
    page.mouse.wheel(0, -400)
    changed = window.inner_text()
    assert changed != before
    assert changed.endswith("inverted")
    assert zoom.inner_text() != fitted
    page.keyboard.press("a")
    assert window.inner_text() == changed
    page.keyboard.press("f")
    page.keyboard.press("i")
    page.mouse.dblclick(500, 400)
    assert (window.inner_text(), zoom.inner_text()) == (before, fitted)


def test_a_picture_of_the_page_for_the_documentation(room: Room, new_context: NewContext) -> None:
    room.close_worklists()
    room.worklist(name="first-reading")
    page = new_context().new_page()
    sign_in(page, room, room.reader(Role.ADMINISTRATOR, "test reader"))
    for press in "aaxa3asaa2aaa":
        page.keyboard.press(press)
    wait_until_saved(page)
    expect(page.locator("[data-slot=notice]")).to_have_text(NOTICE)
    expect(page.locator("[data-slot=worklists]")).to_be_hidden()
    expect(page.locator("[data-slot=strip] li")).to_have_count(13)
    if screenshots_wanted():
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=IMAGES / "review.png")
        page.get_by_text("Overview").first.click()
        expect(page.locator("[data-testid=stImage] img").first).to_be_visible()
        page.screenshot(path=IMAGES / "overview.png")
