"""A newcomer gets from a one-time password to the first image by the screen alone."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import select

from curation.readers.accounts import add_reader
from curation.tables.people import Consent, Reader
from tests.e2e.conftest import Room, sign_in, sign_in_anywhere, wait_until_reading
from tests.rows import NOW

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ONE_TIME = "a one-time password"
OWN = "a password of my own"
MACHINE_S = 60.0
STEPS = 40


def newcomer(room: Room) -> str:
    """A reader as `rounds reader add` makes one; returns the name."""
    room.made += 1
    name = f"newcomer-{room.made}"
    with room.project.database.write() as session:
        add_reader(session, room.project.chain, NOW, name, ONE_TIME, must_change_password=True)
    return name


def consents(room: Room, name: str) -> list[Consent]:
    """What this reader agreed to, oldest first."""
    query = select(Consent).join(Reader, Reader.id == Consent.reader_id).where(Reader.name == name)
    with room.project.database.read() as session:
        return list(session.scalars(query.order_by(Consent.id)))


def squares(page: Page, field: str) -> int:
    """How many faint squares are drawn."""
    return page.locator(f".field.{field} [class^=step]").count()


class Typist:
    """Uses the keyboard alone and counts what is pressed: a typed word is one step."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.steps = 0

    def press(self, key: str) -> None:
        """One key."""
        self.page.keyboard.press(key)
        self.steps += 1

    def type(self, text: str) -> None:
        """One word."""
        self.page.keyboard.type(text)
        self.steps += 1

    def tab_to(self, selector: str) -> None:
        """Tab until what `selector` names has the focus."""
        for _ in range(12):
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            self.press("Tab")
        raise AssertionError(f"{selector} is out of reach of Tab")


def test_a_newcomer_reads_the_first_image_by_keyboard_alone(
    room: Room, new_context: Callable[..., BrowserContext]
) -> None:
    worklist_id = room.worklist()
    name, page = newcomer(room), new_context().new_page()
    typist, started = Typist(page), time.monotonic()
    page.goto(room.server.url)
    page.wait_for_function("document.activeElement.id === 'name'")
    typist.type(name)
    typist.tab_to("#password")
    typist.type(ONE_TIME)
    typist.press("Enter")
    page.wait_for_url("**/rounds/account")
    typist.tab_to("#current")
    typist.type(ONE_TIME)
    typist.tab_to("#new")
    typist.type(OWN)
    typist.press("Enter")
    page.wait_for_url("**/rounds/welcome")
    typist.tab_to("#profession")
    typist.type("Rad")
    typist.tab_to("#years")
    typist.type("12")
    for field in ("dark", "light"):
        typist.tab_to(f"[name={field}]")
        typist.type(str(squares(page, field)))
    typist.tab_to("button[type=submit]")
    typist.press("Enter")
    wait_until_reading(page)
    typist.press("a")
    room.wait_for_readings(worklist_id, 1)
    seconds = time.monotonic() - started
    print(f"first visit: {typist.steps} steps, {seconds:.1f} s of machine time")
    (consent,) = consents(room, name)
    assert consent.experience == {"profession": "radiologist", "years_reading": 12, "specialty": ""}
    assert consent.display["dark"]["seen"] == consent.display["dark"]["shown"]
    assert typist.steps <= STEPS
    assert seconds < MACHINE_S


def test_a_count_that_does_not_fit_warns_and_does_not_block(
    room: Room, new_context: Callable[..., BrowserContext]
) -> None:
    room.worklist()
    name, page = room.reader(consent=False), new_context().new_page()
    sign_in_anywhere(page, room, name)
    page.wait_for_url("**/rounds/welcome")
    warning = page.locator("#screen-warning")
    page.locator("[data-field=dark] input[value='1']").check(force=True)
    expect(warning).to_contain_text("The black field has another number")
    page.locator(f"[data-field=dark] input[value='{squares(page, 'dark')}']").check(force=True)
    expect(warning).to_be_hidden()
    page.locator("[data-field=dark] input[value='1']").check(force=True)
    page.locator(f"[data-field=light] input[value='{squares(page, 'light')}']").check(force=True)
    page.select_option("#profession", "pathologist")
    page.fill("#years", "0")
    page.click("button[type=submit]")
    wait_until_reading(page)
    (consent,) = consents(room, name)
    assert consent.display["dark"]["seen"] == 1


def test_after_withdrawal_reading_ends_at_once(room: Room, new_context: Callable[..., BrowserContext]) -> None:
    worklist_id = room.worklist()
    name, context = room.reader(), new_context()
    reading, account = context.new_page(), context.new_page()
    sign_in(reading, room, name)
    reading.keyboard.press("a")
    room.wait_for_readings(worklist_id, 1)
    account.goto(f"{room.server.url}/rounds/account")
    account.click("#withdraw")
    expect(account.locator("#withdraw-confirm")).to_contain_text("Verdicts given stay in the record and in outcomes")
    account.click("#withdraw-now")
    expect(account.locator("#message")).to_contain_text("You have withdrawn")
    reading.bring_to_front()
    reading.keyboard.press("a")
    reading.wait_for_timeout(1_000)  # a verdict would have been sent by now
    assert len(room.readings(worklist_id)) == 1
    reading.goto(room.server.url)
    reading.wait_for_url("**/rounds/welcome")


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1440, 900)])
def test_the_welcome_page_fits_the_screen_it_is_on(
    room: Room, new_context: Callable[..., BrowserContext], width: int, height: int, tmp_path: Path
) -> None:
    room.worklist()
    page = new_context(width, height).new_page()
    sign_in_anywhere(page, room, room.reader(consent=False))
    page.wait_for_url("**/rounds/welcome")
    page.screenshot(path=tmp_path / f"welcome-{width}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.scrollHeight") <= height
