"""After the last page, after a reload and beside another worklist: undo and names are the pages'."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.e2e.conftest import Room, sign_in, wait_until, wait_until_saved
from tests.e2e.test_grid import marked, open_pages, sign_in_to_few, sign_in_to_pages, wait_for_page

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]


def test_undo_takes_the_last_page_back_also_after_the_pages_are_done(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist(grid_audit_share=1.0, limit=12)
    page = new_context().new_page()
    sign_in_to_few(page, room)
    page.keyboard.press("g")
    wait_for_page(page)
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator(".view-message")).to_contain_text("The pages are done")
    page.wait_for_selector(".room[data-view=single][data-state=reading]")
    expect(page.locator("[data-tool=undo]")).to_be_enabled()
    page.keyboard.press("u")
    wait_for_page(page)
    assert marked(page) == [0]
    page.keyboard.press("Enter")
    page.wait_for_selector(".room[data-view=single][data-state=reading]")
    readings = room.wait_for_readings(worklist_id, 24)
    assert [reading.voided for reading in readings] == [True] * 12 + [False] * 12
    page.keyboard.press("a")  # an image read since comes back first, then the page
    readings = room.wait_for_readings(worklist_id, 25)
    page.wait_for_selector(".room[data-state=reading]")
    page.keyboard.press("u")
    wait_until(page, lambda: room.readings(worklist_id)[24].voided)
    page.keyboard.press("u")
    wait_for_page(page)


def test_undo_takes_the_last_page_back_where_nothing_comes_after_it(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist(grid_audit_share=0.0, limit=12)
    page = new_context().new_page()
    sign_in_to_few(page, room)
    page.keyboard.press("g")
    first = wait_for_page(page)
    page.keyboard.press("Enter")
    expect(page.locator("[data-slot=blank]")).to_contain_text("All read")
    page.keyboard.press("u")
    wait_for_page(page, first)
    wait_until_saved(page)
    expect(page.locator("[data-slot=done]")).to_have_text("0 read")
    page.keyboard.press("Enter")
    readings = room.wait_for_readings(worklist_id, 24)
    assert [reading.voided for reading in readings] == [True] * 12 + [False] * 12
    page.reload()
    page.wait_for_selector(".room[data-state=done]")
    page.get_by_role("button", name="Undo").locator("visible=true").click()
    wait_for_page(page)


def test_pages_of_the_older_of_two_worklists_have_its_name_also_after_a_reload(
    room: Room, new_context: NewContext
) -> None:
    room.close_worklists()
    for name in ("the-older-list", "the-newer-list"):
        room.worklist(grid_audit_share=0.0, name=name)
    name = "the-older-list"
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    chosen = page.locator("[data-slot=worklists]")
    chosen.select_option(label=name)
    page.wait_for_selector(".room[data-state=reading]")
    for _ in range(2):
        open_pages(page)
        expect(chosen.locator("option:checked")).to_have_text(name)
        page.reload()
        wait_for_page(page)
        expect(chosen.locator("option:checked")).to_have_text(name)
        page.keyboard.press("g")
    room.close_worklists()


def test_esc_lets_the_reason_of_a_page_go(room: Room, new_context: NewContext) -> None:
    room.worklist(grid_audit_share=0.0)
    page = new_context().new_page()
    sign_in_to_pages(page, room)
    page.keyboard.press("Space")
    page.keyboard.press("Digit2")
    expect(page.locator("[data-slot=choices] [aria-pressed=true]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("[data-slot=choices] [aria-pressed=true]")).to_have_count(0)
    assert marked(page) == [0]
