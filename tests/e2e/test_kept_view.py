"""Window and zoom belong to a worklist, and the zoom is kept relative to the fitted size."""

from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page

from curation.tables.reading import Worklist
from tests.builders import CLASSES, add_candidates
from tests.e2e.conftest import Room, shown_key, sign_in_anywhere

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]

STORED_VIEWS = "() => Object.keys(localStorage).filter((name) => name.startsWith('rounds-view-')).sort()"
SCREEN_PIXELS_WIDE = "() => parseFloat(shown('zoom')) * parseInt(shown('geometry'))"
SHOWN = """
window.shown = (slot) => [...document.querySelectorAll("*")].find((node) => node.shadowRoot?.querySelector(".room"))
  .shadowRoot.querySelector(`[data-slot=${slot}]`).textContent;
"""


def open_reading(page: Page, room: Room, name: str) -> None:
    """Sign in and wait for the first image."""
    page.add_init_script(SHOWN)
    sign_in_anywhere(page, room, name)
    page.wait_for_selector(".room[data-state=reading]")


def read_next(page: Page) -> None:
    """Accept, and wait for the next image."""
    key = shown_key(page)
    page.keyboard.press("a")
    page.locator(f".room[data-state=reading]:not([data-shown='{key}'])").wait_for()


def test_images_of_two_sizes_are_zoomed_alike(room: Room, new_context: NewContext) -> None:
    random = np.random.default_rng(3)
    pictures = [random.integers(0, 255, (64 * (1 + n % 2),) * 2 + (1,), dtype=np.uint8) for n in range(8)]
    with room.project.database.write() as session:
        batch = add_candidates(room.project, session, pictures, [CLASSES[0]] * 8, name="two sizes")
    room.worklist(batches=(batch.id,))
    page = new_context().new_page()
    open_reading(page, room, room.reader())
    fitted = page.evaluate(SCREEN_PIXELS_WIDE)
    for key in ("+", "+", "+"):
        page.keyboard.press(key)
    wide, sizes = [], set()
    for _ in range(7):
        wide.append(page.evaluate(SCREEN_PIXELS_WIDE))
        sizes.add(page.evaluate("parseInt(shown('geometry'))"))
        read_next(page)
    assert sizes == {64, 128}
    assert wide == pytest.approx([fitted * 1.25**3] * 7, rel=0.04)
    page.set_viewport_size({"width": 1440, "height": 700})
    smaller = page.evaluate(SCREEN_PIXELS_WIDE)
    page.keyboard.press("0")
    assert smaller == pytest.approx(page.evaluate(SCREEN_PIXELS_WIDE) * 1.25**3, rel=0.04)


def test_a_view_belongs_to_its_worklist_and_is_not_kept_for_ever(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    open_reading(page, room, room.reader())
    opened = page.evaluate("shown('window')")
    page.keyboard.press("w")
    page.wait_for_function("() => Object.keys(localStorage).some((name) => name.startsWith('rounds-view-'))")
    (name,) = page.evaluate(STORED_VIEWS)
    with room.project.database.read() as session:
        created = session.get_one(Worklist, worklist_id).created_at.isoformat()
    assert name.endswith(f"-{worklist_id}-{created}")

    # The same number in another project at this address, and what was looked at last three months ago.
    page.evaluate(
        """([name, created]) => {
          const view = JSON.parse(localStorage.getItem(name));
          localStorage.removeItem(name);
          localStorage.setItem(name.replace(created, "2020-01-01T00:00:00"), JSON.stringify(view));
          const old = { ...view, keptMs: Date.now() - 90 * 24 * 3600 * 1000 };
          localStorage.setItem("rounds-view-1-1-2019-01-01T00:00:00", JSON.stringify(old));
          localStorage.setItem("rounds-view-1-1", JSON.stringify({ view: view.view, presets: view.presets }));
        }""",
        [name, created],
    )
    page.reload()
    page.wait_for_selector(".room[data-state=reading]")
    assert page.evaluate("shown('window')") == opened
    assert page.evaluate(STORED_VIEWS) == [name.replace(created, "2020-01-01T00:00:00")]
