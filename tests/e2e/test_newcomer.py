"""Words, classes and images that a first reader looks for are there in both ways of reading."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Room, shown_key, sign_in
from tests.e2e.test_grid import sign_in_to_few
from tests.e2e.test_viewer_readings import NewContext, press

pytestmark = pytest.mark.e2e


def opened(room: Room, new_context: NewContext, **recipe: object) -> Page:
    """A worklist of its own in the viewer of a reader of its own."""
    room.worklist(**recipe)
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    return page


def test_an_image_looked_at_again_is_named_by_its_own_class(room: Room, new_context: NewContext) -> None:
    page = opened(room, new_context)
    names = []
    for _ in range(6):
        names.append(page.locator(".class").inner_text())
        before = shown_key(page)
        press(page, "a")
        expect(page.locator(".room")).not_to_have_attribute("data-shown", before)
    now = page.locator(".class").inner_text()
    assert len({*names, now}) > 1
    for newest, name in enumerate(reversed(names)):
        page.locator(".strip button").nth(newest).click()
        expect(page.locator(".class")).to_have_text(name)
    press(page, "Escape")
    expect(page.locator(".class")).to_have_text(now)


def test_undo_keeps_the_comment_and_the_place(room: Room, new_context: NewContext) -> None:
    page = opened(room, new_context)
    press(page, "m")
    page.keyboard.type("two rings")
    press(page, "Enter", "h", "Enter", "1", "u")
    expect(page.locator("[data-slot=comment]")).to_have_value("two rings")
    expect(page.locator("[data-slot=said-here]")).to_have_text("Here: a point")
    expect(page.locator("[data-slot=strip]")).to_contain_text("Undone")
    press(page, "a")
    expect(page.locator("[data-slot=comment]")).to_be_hidden()
    expect(page.locator("[data-slot=said-here]")).to_have_text("Point here")


def test_an_image_of_a_page_keeps_its_class_when_it_is_large(room: Room, new_context: NewContext) -> None:
    page = opened(room, new_context, grid=True)
    press(page, "g")
    expect(page.locator(".tile").first).to_be_visible()
    captions = page.locator(".tile .caption").all_inner_texts()
    press(page, "z")
    for caption in captions[:5]:
        expect(page.locator(".class")).to_have_text(caption)
        press(page, "ArrowRight")
    press(page, "z")
    expect(page.locator(".class")).to_be_hidden()


def test_the_filmstrip_keeps_its_pictures_over_pages(room: Room, new_context: NewContext) -> None:
    page = opened(room, new_context, grid=True)
    press(page, "a", "s")
    expect(page.locator(".strip canvas")).to_have_count(2)
    press(page, "g")
    expect(page.locator(".tile").first).to_be_visible()
    press(page, "g")
    expect(page.locator(".strip canvas")).to_have_count(2)


def test_help_names_only_what_this_worklist_has(room: Room, new_context: NewContext) -> None:
    page = opened(room, new_context)
    press(page, "?")
    expect(page.get_by_text("Ratings: three digits, 1 to 5")).to_be_hidden()
    expect(page.get_by_text(", then the class")).to_be_hidden()


def test_all_read_is_not_said_beside_images_that_are_left(room: Room, new_context: NewContext) -> None:
    room.worklist(limit=8, grid_audit_share=1.0)
    page = new_context().new_page()
    sign_in_to_few(page, room)
    press(page, "g")
    expect(page.locator(".tile").first).to_be_visible()
    page.wait_for_timeout(600)  # a page is not taken before it can have been seen
    press(page, "Enter")
    expect(page.locator(".view-message")).to_contain_text("The pages are done")
    page.wait_for_selector(".room[data-view=single][data-state=reading]")
    for _ in range(20):
        if page.locator(".room").get_attribute("data-state") != "reading":
            break
        expect(page.locator("[data-slot=left]")).not_to_have_text("none left")
        press(page, "a")
        expect(page.locator(".view-message")).to_be_hidden()
        page.wait_for_timeout(150)
    expect(page.locator("[data-slot=blank]")).to_contain_text("All read")
    expect(page.locator("[data-slot=saved]")).to_have_text("Saved")
    expect(page.locator("[data-slot=left]")).to_have_text("none left")
