"""What waiting does not change is asked once: every status, of images, of verdicts and of the session."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from curation.tables.people import Role
from tests.e2e.conftest import Room, sign_in_anywhere, wait_until_saved

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]

FINAL = (400, 403, 404, 409, 413, 421, 422)
A_MINUTE = 60_000


class Refusing:
    """Answers a route by one status, if any, and counts the requests."""

    def __init__(self, page: Page, path: str) -> None:
        self.status: int | None = None
        self.count = 0
        page.route(path, self._answer)

    def _answer(self, route: Route) -> None:
        self.count += 1
        if self.status is None:
            return route.continue_()
        route.fulfill(status=self.status, json={"error": f"refused by {self.status}."})


def let_a_minute_pass(page: Page) -> None:
    """Run every timer of a minute."""
    for _ in range(3):
        page.clock.fast_forward(A_MINUTE // 3)
        page.wait_for_timeout(60)


def test_without_consent_an_administrator_is_told_once(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context(fresh=True).new_page()
    page.clock.install()
    claims = Refusing(page, "**/claim")
    sign_in_anywhere(page, room, room.reader(Role.ADMINISTRATOR, consent=False))
    page.get_by_role("link", name="Read", exact=True).click()
    expect(page.locator("[data-slot=blank]")).to_contain_text("Before you read")
    let_a_minute_pass(page)
    assert claims.count == 1
    expect(page.locator("[data-slot=blank] a")).to_have_attribute("href", "/rounds/welcome")


def reading(room: Room, page: Page) -> None:
    """Sign a reader in under a clock of our own, and wait for an image."""
    page.clock.install()
    sign_in_anywhere(page, room, room.reader())
    page.wait_for_selector(".room[data-state=reading]")


def test_a_refusal_of_any_status_ends_the_asking_for_images(room: Room, new_context: NewContext) -> None:
    room.close_worklists()
    names = ("one-of-two", "two-of-two")
    for name in names:
        room.worklist(name=name)
    page = new_context(fresh=True).new_page()
    reading(room, page)
    chosen, blank = page.locator("[data-slot=worklists]"), page.locator("[data-slot=blank]")
    claims = Refusing(page, "**/claim")
    for number, status in enumerate(FINAL):
        claims.status, claims.count = status, 0
        chosen.select_option(label=names[number % 2])
        expect(blank).to_contain_text(f"refused by {status}")
        let_a_minute_pass(page)
        assert (status, claims.count) == (status, 1)
    claims.status, claims.count = 503, 0
    chosen.select_option(label=names[1])
    expect(blank).to_contain_text("No connection")
    let_a_minute_pass(page)
    assert claims.count > 2
    claims.status = None
    page.clock.fast_forward(2_000)
    page.wait_for_selector(".room[data-state=reading]")
    pixels = Refusing(page, "**/rounds/pixels/*")
    pixels.status = 403
    chosen.select_option(label=names[0])
    expect(blank).to_contain_text("image 403")
    let_a_minute_pass(page)
    assert pixels.count <= 12  # as many as are fetched at once, of this list and of the one before
    sessions = Refusing(page, "**/api/session")
    sessions.status = 403
    page.reload()
    expect(blank).to_contain_text("refused by 403")
    let_a_minute_pass(page)
    assert sessions.count == 1
    room.close_worklists()


def test_verdicts_that_are_refused_as_a_whole_stay_on_the_device_until_the_next(
    room: Room, new_context: NewContext
) -> None:
    worklist_id = room.worklist()
    page = new_context(fresh=True).new_page()
    reading(room, page)
    readings = Refusing(page, "**/rounds/api/readings")
    for number, status in enumerate((403, 404, 422), 1):
        readings.status, readings.count = status, 0
        page.keyboard.press("a")
        expect(page.locator("[data-slot=saved]")).to_have_text(
            f"{number} kept on this device, not taken: refused by {status}."
        )
        let_a_minute_pass(page)
        assert readings.count == 1
    readings.status = None
    page.keyboard.press("a")
    wait_until_saved(page)
    room.wait_for_readings(worklist_id, 4)
