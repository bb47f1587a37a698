"""The next images are drawn before their turn: the same picture, within a bound of memory."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.e2e.conftest import Room, shown_key, sign_in_anywhere

pytestmark = pytest.mark.e2e

STAGE = """
window.stage = () => [...document.querySelectorAll("*")].map((node) => node.shadowRoot)
  .find((root) => root?.querySelector(".room")).rounds.stage;
window.isPrepared = () => stage().prepared.pictures.has(stage().drawing(stage().item).signature);
window.gray = () => {
  const { width, height } = stage().canvas;
  return stage().context.getImageData(0, 0, width, height).data;
};
"""
NEXT_ARE_PREPARED = """(count) => {
  const next = stage().prepared.wanted().slice(1);
  return next.length === count && next.every(({ signature }) => stage().prepared.pictures.has(signature));
}"""
PREPARED_BYTES = (
    "() => [...stage().prepared.pictures.values()].reduce((sum, one) => sum + one.width * one.height * 4, 0)"
)
DIFFERENCE_FROM_DRAWN = """() => {
  const shown = gray();
  stage().prepared.keep([]);
  stage().draw();
  const drawn = gray();
  return shown.reduce((most, value, index) => Math.max(most, Math.abs(value - drawn[index])), 0);
}"""


def _open(page: Page, room: Room) -> None:
    page.add_init_script(STAGE)
    sign_in_anywhere(page, room, room.reader())
    page.wait_for_selector(".room[data-state=reading]")


def _read_next(page: Page) -> None:
    key = shown_key(page)
    page.wait_for_function(NEXT_ARE_PREPARED, arg=2)
    page.keyboard.press("a")
    page.locator(f".room[data-state=reading]:not([data-shown='{key}'])").wait_for()
    assert page.evaluate("isPrepared()")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (3840, 2160)])
def test_a_prepared_picture_is_the_picture_that_the_stage_draws(
    room: Room, new_context: Callable[..., BrowserContext], width: int, height: int
) -> None:
    room.worklist()
    page = new_context(width, height).new_page()
    _open(page, room)
    _read_next(page)
    assert page.evaluate(PREPARED_BYTES) <= 100e6
    assert page.evaluate(DIFFERENCE_FROM_DRAWN) == 0
    for key in ("i", "w", "+", "ArrowLeft"):
        page.keyboard.press(key)
    assert not page.evaluate("isPrepared()")  # the window has changed: drawn anew, and the next ones too
    _read_next(page)
    assert page.evaluate(DIFFERENCE_FROM_DRAWN) == 0


def test_a_screen_too_large_for_the_bound_prepares_nothing(
    room: Room, new_context: Callable[..., BrowserContext]
) -> None:
    room.worklist()
    page = new_context().new_page()
    _open(page, room)
    page.wait_for_function(NEXT_ARE_PREPARED, arg=2)
    page.evaluate("() => { stage().canvas.width = 8000; stage().canvas.height = 4000; stage().prepared.draw(); }")
    assert page.evaluate(PREPARED_BYTES) == 0
