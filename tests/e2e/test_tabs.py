"""Tabs of one reader, and a tab that was left open over what changed: no reading is lost or doubled."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from curation.readers.accounts import set_role
from curation.tables.people import Role
from curation.worklists.create import close_worklist
from tests.e2e.conftest import (
    PASSWORD,
    Room,
    shown_key,
    sign_in,
    sign_in_anywhere,
    wait_until_reading,
    wait_until_saved,
)
from tests.rows import NOW

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]


def test_two_tabs_read_two_worklists_also_after_a_reload(room: Room, new_context: NewContext) -> None:
    room.close_worklists()
    older, newer = room.worklist(name="tab-older"), room.worklist(name="tab-newer")
    context = new_context()
    first, second = context.new_page(), context.new_page()
    sign_in(first, room, room.reader())
    second.goto(room.server.url)
    wait_until_reading(second)
    first.locator("[data-slot=worklists]").select_option(label="tab-older")
    for page, name in ((first, "tab-older"), (second, "tab-newer"), (first, "tab-older")):
        page.wait_for_selector(".room[data-state=reading]")
        page.keyboard.press("a")
        wait_until_saved(page)
        page.reload()
        page.wait_for_selector(".room[data-state=reading]")
        expect(page.locator("[data-slot=worklists] option:checked")).to_have_text(name)
    assert [len(room.readings(worklist)) for worklist in (older, newer)] == [2, 1]
    room.close_worklists()


def test_what_one_reader_said_is_not_sent_as_another_who_signed_in_meanwhile(
    room: Room, new_context: NewContext
) -> None:
    worklist_id = room.worklist()
    context = new_context()
    first, name = context.new_page(), room.reader()
    sign_in(first, room, name)
    second = context.new_page()
    second.goto(f"{room.server.url}/rounds/account")
    second.get_by_role("button", name="Sign out", exact=True).click()
    second.wait_for_url("**/rounds/sign-in")
    judged = shown_key(first)
    first.keyboard.press("a")
    dialog = first.locator("dialog.sign-in")
    expect(dialog).to_contain_text("1 reading is kept on this device")
    sign_in_anywhere(second, room, room.reader())
    second.wait_for_selector(".room[data-state=reading]")
    first.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(dialog).to_be_visible()
    assert room.readings(worklist_id) == []
    dialog.locator("[name=password]").fill(PASSWORD)
    dialog.locator("button").click()
    [reading] = room.wait_for_readings(worklist_id, 1)
    assert reading.key == judged


def test_an_undo_after_the_worklist_was_closed_is_said_as_one_and_the_image_goes_again(
    room: Room, new_context: NewContext
) -> None:
    worklist_id = room.worklist(name="tab-closing")
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    page.keyboard.press("a")
    wait_until_saved(page)
    with room.project.database.write() as session:
        close_worklist(session, room.project.chain, NOW, "tab-closing")
    shown = shown_key(page)
    page.keyboard.press("u")
    refused = page.locator("[data-slot=refused]")
    expect(refused).to_contain_text("1 undo was not taken: this worklist is closed; its readings stand.")
    page.wait_for_selector(f".room[data-shown='{shown}']")
    expect(page.locator("[data-slot=done]")).to_have_text("1 read")
    assert [reading.voided for reading in room.readings(worklist_id)] == [False]


def test_a_reading_after_the_role_was_changed_stays_on_the_device_and_says_why(
    room: Room, new_context: NewContext
) -> None:
    worklist_id = room.worklist()
    page, name = new_context().new_page(), room.reader()
    sign_in(page, room, name)
    with room.project.database.write() as session:
        set_role(session, room.project.chain, NOW, name, Role.PRIVACY)
    page.keyboard.press("a")
    expect(page.locator("[data-slot=saved]")).to_have_text(
        "1 kept on this device, not taken: this is not for the role privacy. Ask an administrator for another role."
    )
    with room.project.database.write() as session:
        set_role(session, room.project.chain, NOW, name, Role.READER)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    wait_until_saved(page)
    assert len(room.readings(worklist_id)) == 1
