"""A walk through every page that a role sees, the menu's in its order: for what must hold on all of them."""

from collections.abc import Iterator

from playwright.sync_api import Page

from tests.e2e.conftest import Room, sign_in

MENU = "[data-testid=stTopNavLink]"


def every_page(page: Page, room: Room, name: str) -> Iterator[str]:
    """Yields the name of each page once it stands: sign-in, the reading page with its help, the menu's, the account."""
    page.goto(f"{room.server.url}/rounds/sign-in")
    yield "sign-in"
    sign_in(page, room, name)
    for key in "ax1s":
        page.keyboard.press(key)
    page.wait_for_selector("[data-saved=saved]")
    yield "read"
    page.keyboard.press("?")
    yield "keys"
    page.keyboard.press("Escape")
    titles = [link.inner_text() for link in page.locator(MENU).all()]
    for title in titles[1:]:
        page.locator(MENU, has_text=title).click()
        wait_until_settled(page)
        yield title.lower()
    page.goto(f"{room.server.url}/rounds/account")
    yield "account"


def wait_until_settled(page: Page) -> None:
    """Wait until Streamlit has run its script and nothing on the page is left from before."""
    page.wait_for_function(
        "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
        " && !document.querySelector('[data-stale=true], [data-testid=stSkeleton]')"
    )
    page.wait_for_load_state("networkidle")
