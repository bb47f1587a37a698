"""The lineage page in a real browser: boxes are links, by keyboard too, and axe is content."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from curation.tables.people import Role
from tests.e2e.axe import found_by_axe
from tests.e2e.conftest import Room, sign_in_anywhere
from tests.e2e.every_page import wait_until_settled

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]


def test_boxes_are_walked_by_keyboard_and_axe_finds_nothing(room: Room, new_context: NewContext) -> None:
    page = new_context().new_page()
    sign_in_anywhere(page, room, room.reader(Role.CURATOR))
    page.wait_for_selector("[data-testid=stMain]")
    page.goto(f"{room.server.url}/lineage?node=batch%3A{room.batch_id}")
    start = page.locator('.r-node[data-start="true"]')
    expect(start).to_contain_text("you are here")
    expect(page.locator(".r-arrows")).to_contain_text("80 synthetic images of batch 1")
    wait_until_settled(page)
    assert found_by_axe(page) == []
    page.locator(".r-lineage").focus()
    page.keyboard.press("Tab")
    focused = page.evaluate(
        "() => [document.activeElement.dataset.kind, getComputedStyle(document.activeElement).outlineStyle]"
    )
    assert focused == ["generator", "solid"]
    page.keyboard.press("Enter")
    page.wait_for_url("**/lineage?node=generator%3A*")
    expect(page.locator('.r-node[data-start="true"]')).to_contain_text("generator")


def test_a_curator_is_told_that_single_subjects_are_not_shown(room: Room, new_context: NewContext) -> None:
    page = new_context().new_page()
    sign_in_anywhere(page, room, room.reader(Role.CURATOR))
    page.wait_for_selector("[data-testid=stMain]")
    page.goto(f"{room.server.url}/lineage?node=subject%3Anobody")
    expect(page.get_by_text("your role does not see single subjects")).to_be_visible()
    assert page.locator(".r-node").count() == 0


def test_a_wide_graph_on_a_phone_opens_at_the_box_that_was_asked_for(used_room: Room, new_context: NewContext) -> None:
    page = new_context().new_page()
    sign_in_anywhere(page, used_room, used_room.reader(Role.CURATOR))
    page.wait_for_selector("[data-testid=stMain]")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{used_room.server.url}/lineage?node=batch%3A{used_room.batch_id}")
    wait_until_settled(page)
    assert page.evaluate(
        """async () => {
          const room = document.querySelector(".r-lineage"), box = room.querySelector('[data-start="true"]');
          await Promise.all(room.getAnimations().map((animation) => animation.finished));
          const [a, b] = [room.getBoundingClientRect(), box.getBoundingClientRect()];
          const seen = b.left >= a.left && b.right <= a.right, wide = room.scrollWidth > room.clientWidth;
          room.scrollLeft = 0;
          return [wide, seen, room.scrollLeft];
        }"""
    ) == [True, True, 0]
