"""Pictures of every page at the sizes people have, for the documents and for a critical eye.

ROUNDS_SCREENSHOTS=1 writes them, to docs/images or to the folder named by ROUNDS_SCREENSHOTS_TO.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from curation.tables.people import Role
from tests.e2e.conftest import Room, screenshots_wanted, sign_in_anywhere
from tests.e2e.every_page import MENU, every_page, menu_pages
from tests.e2e.lived_in import CONTROLS, read_by_people

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not screenshots_wanted(), reason="pictures are made with ROUNDS_SCREENSHOTS=1"),
]
NewContext = Callable[..., BrowserContext]
FOLDER = Path(os.environ.get("ROUNDS_SCREENSHOTS_TO") or Path(__file__).parents[2] / "docs" / "images")
SIZES = [(1280, 720), (1440, 900), (3840, 2160)]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_picture_of_every_page(used_room: Room, new_context: NewContext, theme: str, width: int, height: int) -> None:
    room = used_room
    FOLDER.mkdir(parents=True, exist_ok=True)
    room.close_worklists()
    wanted = {"modality": "mr", "readers_per_image": 4, "rule": "majority", "repeat_share": 0.1}
    controls = {"real_controls": CONTROLS, "defect_controls": CONTROLS}
    read_by_people(room.project, room.worklist(name=f"Third-reading-{width}-{theme}", **wanted, **controls))
    page = new_context(width, height).new_page()
    page.emulate_media(color_scheme=theme)
    page.add_init_script(f"localStorage.setItem('rounds-theme', '{theme}')")

    def take(at: str) -> None:
        page.screenshot(path=FOLDER / f"{at.replace(' ', '-')}-{width}-{theme}.png")

    for at in every_page(page, room, room.reader(Role.ADMINISTRATOR)):
        take(at)
    page.context.clear_cookies()
    sign_in_anywhere(page, room, room.reader(Role.ADJUDICATOR))
    page.wait_for_selector(MENU)
    for at in menu_pages(page):
        take(at)
    page.context.clear_cookies()
    sign_in_anywhere(page, room, room.reader(consent=False))
    page.wait_for_url("**/rounds/welcome")
    page.wait_for_load_state("networkidle")
    take("welcome")
