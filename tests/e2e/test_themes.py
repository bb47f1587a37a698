"""Every page is dark unless a device chose the light theme, whatever the system uses."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from curation.tables.people import Role
from tests.e2e.axe import found_by_axe
from tests.e2e.conftest import Room, sign_in, sign_in_anywhere, wait_until_reading

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]

BRIGHTNESS = """selector => {
  const [red, green, blue] = getComputedStyle(document.querySelector(selector)).backgroundColor.match(/[\\d.]+/g);
  return (Number(red) + Number(green) + Number(blue)) / 3;
}"""


def brightness(page: Page, selector: str = "[data-testid=stApp]") -> float:
    """The mean of red, green and blue behind a page, 0 to 255."""
    page.wait_for_selector(selector)
    return float(page.evaluate(BRIGHTNESS, selector))


@pytest.mark.parametrize("system", ["light", "dark"])
def test_without_a_choice_every_page_is_dark(room: Room, new_context: NewContext, system: str) -> None:
    page = new_context().new_page()
    page.emulate_media(color_scheme=system)
    page.goto(f"{room.server.url}/rounds/sign-in")
    assert brightness(page, "body") < 30
    sign_in_anywhere(page, room, room.reader(Role.CURATOR))
    page.wait_for_selector("[data-testid=stTopNavLink]")
    assert brightness(page) < 30
    page.goto(f"{room.server.url}/worklists")
    expect(page.get_by_text("Another worklist")).to_be_visible()
    assert brightness(page) < 30
    page.goto(f"{room.server.url}/rounds/account")
    assert brightness(page, "body") < 30


def test_the_account_page_turns_the_light_theme_on_everywhere(room: Room, new_context: NewContext) -> None:
    page = new_context().new_page()
    sign_in_anywhere(page, room, room.reader(Role.CURATOR))
    page.wait_for_selector("[data-testid=stTopNavLink]")
    page.goto(f"{room.server.url}/rounds/account")
    page.get_by_role("button", name="Use the light theme").click()
    expect(page.get_by_role("button", name="Use the dark theme")).to_be_visible()
    assert brightness(page, "body") > 230
    for at in ("worklists", "results", ""):
        page.goto(f"{room.server.url}/{at}")
        page.wait_for_selector("[data-testid=stTopNavLink]")
        assert brightness(page) > 230
    page.context.clear_cookies()
    page.goto(f"{room.server.url}/rounds/sign-in")
    assert brightness(page, "body") > 230
    sign_in_anywhere(page, room, room.reader(consent=False))
    page.wait_for_url("**/rounds/welcome")
    assert brightness(page, "body") > 230
    assert found_by_axe(page) == []
    page.goto(f"{room.server.url}/rounds/pairs")  # not for readers
    expect(page.get_by_role("heading", name="This page is not shown")).to_be_visible()
    assert brightness(page, "body") > 230


def test_the_viewer_turns_it_on_for_the_bar_above_it_too_and_reading_goes_on(
    room: Room, new_context: NewContext
) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    page.keyboard.press("a")
    page.keyboard.press("?")
    page.get_by_role("button", name="Use the light theme").click()
    page.wait_for_load_state()
    wait_until_reading(page)
    assert brightness(page, "header[data-testid=stHeader]") > 230
    page.keyboard.press("a")
    assert len(room.wait_for_readings(worklist_id, 2)) == 2
