"""A walk through every page that a role sees, in the menu's order."""

from collections.abc import Iterator

from playwright.sync_api import Page

from tests.e2e.conftest import Room, sign_in

MENU = "[data-testid=stTopNavLink]"
SETTLED = """() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-stale=true], [data-testid=stSkeleton]')
    && document.querySelector('[data-testid=stMain]').innerText.trim()"""


def every_page(page: Page, room: Room, name: str) -> Iterator[str]:
    """Yields the name of each page once it stands: sign-in, the reading page, keys, grid, the menu's, account."""
    page.goto(f"{room.server.url}/rounds/sign-in")
    yield "sign-in"
    sign_in(page, room, name)
    for key in "axsaxaasaxaa1a":
        page.keyboard.press(key)
    page.wait_for_selector("[data-saved=saved]")
    yield "read"
    page.keyboard.press("?")
    yield "keys"
    page.keyboard.press("Escape")
    yield from _grid(page)
    yield from menu_pages(page)
    page.goto(f"{room.server.url}/rounds/account")
    yield "account"


def _grid(page: Page) -> Iterator[str]:
    page.keyboard.press("g")
    page.wait_for_selector(".room[data-view=grid][data-state=reading] .tile canvas")
    page.wait_for_load_state("networkidle")
    for key in ("Space", "ArrowRight", "ArrowRight", "Space", "ArrowDown"):
        page.keyboard.press(key)
    yield "grid"
    page.keyboard.press("g")
    page.wait_for_selector(".room[data-mode=single]")


def menu_pages(page: Page) -> Iterator[str]:
    """The pages of the menu, but for reading; the page that a role opens on stands at the root."""
    titles = [link.inner_text() for link in page.locator(MENU).all()]
    for title in titles:
        if title == "Read":
            continue
        page.locator(MENU).get_by_text(title, exact=True).click()
        page.wait_for_selector(f"{MENU}[aria-current=page]:has-text('{title}')")
        page.wait_for_timeout(100)  # the frame has asked for the page by now
        wait_until_settled(page)
        yield title.lower()


def wait_until_settled(page: Page) -> None:
    """Wait until Streamlit has run its script and nothing on the page is left from before."""
    page.wait_for_function(SETTLED)
    page.wait_for_load_state("networkidle")
    page.wait_for_function(SETTLED)  # what came meanwhile may have asked for more
    page.wait_for_timeout(100)  # a chart or a picture is painted after its element is there
