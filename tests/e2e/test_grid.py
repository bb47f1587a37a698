"""Pages of images: marked is rejected, the rest accepted; given, taken back and kept as a whole."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import select

from curation.tables.reading import Assignment, AssignmentPurpose, Reading, Verdict
from tests.e2e.axe import found_by_axe
from tests.e2e.conftest import Room, shown_key, sign_in, sign_in_anywhere, wait_until_saved

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]

SETTLE_MS = 450  # a page that came less than 0.4 s ago is not given


def open_pages(page: Page, size: int = 12) -> None:
    """Turn to pages of a size and wait until one is painted."""
    page.evaluate("size => localStorage.setItem('rounds-page-size', size)", str(size))
    page.reload()
    page.wait_for_selector(".room[data-state=reading]")
    page.keyboard.press("g")
    wait_for_page(page)


def sign_in_to_pages(page: Page, room: Room, size: int = 12) -> None:
    """Sign a new reader in and turn to pages of a size, chosen beforehand so that one load is enough."""
    page.goto(f"{room.server.url}/rounds/sign-in")
    page.evaluate("size => localStorage.setItem('rounds-page-size', size)", str(size))
    sign_in_anywhere(page, room, room.reader())
    page.wait_for_selector(".room[data-state=reading]")
    page.keyboard.press("g")
    wait_for_page(page)


def wait_for_page(page: Page, other_than: str = "") -> str:
    """Wait until a page is on the screen, and long enough that it may be given; returns its id."""
    page.wait_for_function(
        "before => { for (const node of document.querySelectorAll('*')) {"
        " const room = node.shadowRoot?.querySelector('.room');"
        " if (room) return room.dataset.view === 'grid' && !!room.dataset.page && room.dataset.page !== before; }"
        " return false; }",
        arg=other_than,
    )
    page.wait_for_timeout(SETTLE_MS)
    return page.locator(".room").get_attribute("data-page") or ""


def marked(page: Page) -> list[int]:
    """Places of the tiles that are marked."""
    states = page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.ariaSelected)")
    return [place for place, state in enumerate(states) if state == "true"]


def rows(room: Room, worklist_id: int) -> list[Reading]:
    """Every reading row of the worklist, undos too, oldest first."""
    query = select(Reading).join(Assignment, Assignment.id == Reading.assignment_id)
    with room.project.database.read() as session:
        readings = list(session.scalars(query.where(Assignment.worklist_id == worklist_id).order_by(Reading.id)))
        session.expunge_all()
    return readings


def test_clicks_ranges_and_arrows_mark_and_enter_gives_exactly_the_page(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist(grid_audit_share=0.0)
    page = new_context().new_page()
    sign_in_to_pages(page, room)
    page_id = wait_for_page(page)
    tiles = page.locator(".tile")
    tiles.nth(2).click()
    tiles.nth(4).click(modifiers=["Shift"])
    assert marked(page) == [2, 3, 4]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    assert marked(page) == [2, 3, 4, 6, 7]
    tiles.nth(3).click()
    expect(page.locator(".page-side .count")).to_have_text("4 marked")
    expect(tiles.nth(2)).to_have_attribute("aria-label", "Image 3 of 12, " + _caption(page, 2) + ", marked: reject")
    page.keyboard.press("Digit2")
    page.keyboard.press("Enter")
    readings = room.wait_for_readings(worklist_id, 12)
    rejected = [place for place, reading in enumerate(readings) if reading.verdict is Verdict.REJECT]
    assert rejected == [2, 4, 6, 7]
    assert [reading.reasons for reading in readings] == [("symmetry",) if n in rejected else () for n in range(12)]
    saved = rows(room, worklist_id)
    assert {(reading.mode, reading.page_id, reading.elapsed_ms) for reading in saved} == {
        ("grid", page_id, saved[0].elapsed_ms)
    }
    assert (saved[0].elapsed_ms or 0) >= SETTLE_MS
    wait_until_saved(page)
    expect(page.locator("[data-slot=done]")).to_have_text("12 read")


def _caption(page: Page, place: int) -> str:
    return page.locator(".tile").nth(place).locator(".caption").inner_text()


def test_a_page_taken_back_comes_again_with_its_marks_and_the_record_keeps_both(
    room: Room, new_context: NewContext
) -> None:
    worklist_id = room.worklist(grid_audit_share=0.0)
    page = new_context().new_page()
    sign_in_to_pages(page, room)
    page.keyboard.press("Space")
    page.keyboard.press("Digit1")
    first = page.locator(".room").get_attribute("data-page") or ""
    page.keyboard.press("Enter")
    second = wait_for_page(page, first)
    assert marked(page) == []
    page.keyboard.press("u")
    third = wait_for_page(page, second)
    assert marked(page) == [0]
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    wait_for_page(page, third)
    readings = room.wait_for_readings(worklist_id, 24)
    assert [reading.voided for reading in readings] == [True] * 12 + [False] * 12
    assert [reading.key for reading in readings[:12]] == [reading.key for reading in readings[12:]]
    assert [reading.verdict for reading in readings[:2]] == [Verdict.REJECT, Verdict.ACCEPT]
    assert {reading.verdict for reading in readings[12:]} == {Verdict.ACCEPT}
    wait_until_saved(page)
    expect(page.locator("[data-slot=done]")).to_have_text("12 read")


def test_a_reload_keeps_the_page_its_marks_and_what_may_be_taken_back(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist(grid_audit_share=0.0)
    page = new_context().new_page()
    sign_in_to_pages(page, room)
    first = page.locator(".room").get_attribute("data-page") or ""
    page.keyboard.press("Enter")
    wait_for_page(page, first)
    page.keyboard.press("Shift+ArrowRight")
    labels = page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.ariaLabel)")
    page.reload()
    wait_for_page(page)
    assert page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.ariaLabel)") == labels
    assert marked(page) == [0, 1]
    page.keyboard.press("u")
    expect(page.locator(".page-side .count")).to_have_text("None marked")
    wait_until_saved(page)
    wait_for_page(page)
    page.keyboard.press("Enter")
    readings = room.wait_for_readings(worklist_id, 24)
    assert [reading.voided for reading in readings] == [True] * 12 + [False] * 12
    expect(page.locator(".page-side .count")).to_have_text("2 marked")


def test_a_page_given_offline_is_kept_and_sent_later_even_after_the_tab_was_closed(
    room: Room, new_context: NewContext
) -> None:
    worklist_id = room.worklist(grid_audit_share=0.0)
    context = new_context()
    page = context.new_page()
    sign_in_to_pages(page, room)
    first = page.locator(".room").get_attribute("data-page") or ""
    context.set_offline(True)
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator("[data-slot=saved]")).to_contain_text("12 kept on this device")
    wait_for_page(page, first)
    assert room.readings(worklist_id) == []
    page.close()
    context.set_offline(False)
    later = context.new_page()
    later.goto(f"{room.server.url}/")
    readings = room.wait_for_readings(worklist_id, 12)
    assert [reading.verdict for reading in readings] == [Verdict.REJECT] + [Verdict.ACCEPT] * 11
    assert {reading.page_id for reading in rows(room, worklist_id)} == {first}


def test_one_by_one_shows_what_was_on_no_page_and_pages_what_was_not_read_singly(
    room: Room, new_context: NewContext
) -> None:
    worklist_id = room.worklist(grid_audit_share=0.0)
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    page.keyboard.press("a")
    open_pages(page)
    first = page.locator(".room").get_attribute("data-page") or ""
    page.keyboard.press("Enter")
    wait_for_page(page, first)
    room.wait_for_readings(worklist_id, 13)
    page.keyboard.press("g")
    page.wait_for_selector(".room[data-view=single][data-state=reading]")
    on_screen = shown_key(page)
    assert on_screen not in {reading.key for reading in room.readings(worklist_id)}
    page.keyboard.press("x")
    readings = room.wait_for_readings(worklist_id, 14)
    assert readings[-1].key == on_screen
    assert len({reading.item_id for reading in readings}) == 14
    assert [reading.mode for reading in rows(room, worklist_id)] == ["single"] + ["grid"] * 12 + ["single"]


def test_what_was_left_unmarked_comes_back_one_by_one_after_the_pages(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist(grid_audit_share=1.0, limit=12)
    page = new_context().new_page()
    sign_in_to_few(page, room)
    page.keyboard.press("g")
    wait_for_page(page)
    page.keyboard.press("Home")
    for _ in range(9):
        page.keyboard.press("Shift+ArrowRight")
    assert marked(page) == list(range(10))
    page.keyboard.press("Enter")
    expect(page.locator(".view-message")).to_have_text("The pages are done. Some images come back one by one.")
    page.wait_for_selector(".room[data-view=single][data-state=reading]")
    page.keyboard.press("a")
    page.wait_for_selector(".room[data-state=reading]")
    page.keyboard.press("a")
    readings = room.wait_for_readings(worklist_id, 14)
    unmarked = {reading.item_id for reading in readings[:12] if reading.verdict is Verdict.ACCEPT}
    assert {reading.item_id for reading in readings[12:]} == unmarked
    with room.project.database.read() as session:
        of_audits = select(Assignment.key).where(
            Assignment.worklist_id == worklist_id, Assignment.purpose == AssignmentPurpose.GRID_AUDIT
        )
        assert {reading.key for reading in readings[12:]} == set(session.scalars(of_audits))


def sign_in_to_few(page: Page, room: Room) -> None:
    """Sign in to a worklist too short for the usual forty images ahead."""
    sign_in_anywhere(page, room, room.reader())
    page.wait_for_selector(".room[data-state=reading]")


def test_an_image_is_enlarged_marked_there_and_the_page_is_where_it_was(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist(grid_audit_share=0.0)
    page = new_context().new_page()
    sign_in_to_pages(page, room)
    page.locator(".tile").nth(5).dblclick()
    expect(page.locator(".stage")).to_be_visible()
    expect(page.locator(".pages")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator(".pages")).to_be_visible()
    assert marked(page) == [6]
    assert room.readings(worklist_id) == []


def test_enter_twice_in_a_row_and_the_keys_of_single_reading_give_no_second_page(
    room: Room, new_context: NewContext
) -> None:
    worklist_id = room.worklist(grid_audit_share=0.0)
    page = new_context().new_page()
    sign_in_to_pages(page, room)
    for press in ("a", "s", "h", "m", "Enter", "Enter"):
        page.keyboard.press(press)
    room.wait_for_readings(worklist_id, 12)
    wait_until_saved(page)
    assert len(room.readings(worklist_id)) == 12


def test_sizes_are_remembered_and_a_label_blind_worklist_has_no_pages(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context().new_page()
    sign_in_to_pages(page, room, 24)
    expect(page.locator(".tile")).to_have_count(24)
    page.keyboard.press(".")
    expect(page.locator(".tile")).to_have_count(48)
    page.reload()
    expect(page.locator(".tile")).to_have_count(48)
    room.worklist(label_shown=False)
    blind = new_context().new_page()
    sign_in(blind, room, room.reader())
    expect(blind.locator("[data-tool=grid]")).to_be_hidden()
    blind.keyboard.press("g")
    expect(blind.locator(".stage")).to_be_visible()


def test_axe_finds_nothing_on_a_page_with_marks_in_either_theme(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    for theme in ("dark", "light"):
        page.evaluate("theme => localStorage.setItem('rounds-theme', theme)", theme)
        page.evaluate("sessionStorage.setItem('rounds-mode', 'single')")
        open_pages(page)
        page.keyboard.press("Shift+ArrowRight")
        assert found_by_axe(page) == []
