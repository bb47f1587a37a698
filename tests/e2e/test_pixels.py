"""What is painted is what is stored: every value through the window, at one stored pixel per screen pixel."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import BrowserContext, Page
from sqlalchemy import select

from curation.image_store import Pixels
from curation.models.images import Image
from curation.models.reading import Assignment, WorklistItem
from tests.builders import add_candidates, oval
from tests.e2e.conftest import Room, shown_key, sign_in_anywhere

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]

# The middle of the canvas, `size` pixels square, as red, green and blue.
CENTRE = """size => {
  const host = [...document.querySelectorAll("*")].find(node => node.shadowRoot?.querySelector(".room"));
  const canvas = host.shadowRoot.querySelector(".stage canvas");
  const left = Math.round((canvas.width - size) / 2), top = Math.round((canvas.height - size) / 2);
  const data = canvas.getContext("2d").getImageData(left, top, size, size).data;
  return [...data].filter((_, index) => index % 4 < 3);
}"""


def stored(room: Room, key: str) -> Pixels:
    """The pixels of the image an assignment is about."""
    query = (
        select(Image.file_sha256)
        .join(WorklistItem, WorklistItem.image_id == Image.id)
        .join(Assignment, Assignment.item_id == WorklistItem.id)
        .where(Assignment.key == key)
    )
    with room.project.database.read() as session:
        return room.project.store.pixels(session.scalars(query).one())


def painted(page: Page, size: int) -> NDArray[np.uint8]:
    """What stands on the screen: (size, size, 3)."""
    return np.array(page.evaluate(CENTRE, size), dtype=np.uint8).reshape(size, size, 3)


@pytest.mark.parametrize(("name", "bits", "channels"), [("gray 8", 8, 1), ("gray 16", 16, 1), ("colour", 8, 3)])
def test_every_stored_value_reaches_the_screen(
    room: Room, new_context: NewContext, name: str, bits: int, channels: int
) -> None:
    size = 60
    pictures: list[Pixels] = [oval(number, size, bits, 1) for number in range(300, 304)]
    if channels == 3:
        pictures = [np.concatenate([pictures[index], *pictures[1:3]], axis=2) for index in (0, 3)]
    with room.project.database.write() as session:
        batch = add_candidates(room.project, session, pictures, name=name)
    room.worklist(batches=(batch.id,))
    page = new_context().new_page()
    sign_in_anywhere(page, room, room.reader())
    page.wait_for_selector(".room[data-state=reading]")
    page.keyboard.press("f")
    expected = stored(room, shown_key(page)).astype(float)
    if bits == 16:
        ordered = np.sort(expected.ravel())
        low, high = ordered[int(len(ordered) * 0.005)], ordered[int(np.ceil(len(ordered) * 0.995)) - 1]
        expected = np.clip((expected - low) / (high - low) * 255, 0, 255)
    difference = np.abs(painted(page, size) - np.broadcast_to(expected, (size, size, 3)))
    assert difference.max() <= (0.51 if bits == 16 else 0)
    page.keyboard.press("i")
    inverted = np.abs(painted(page, size) - (255 - np.broadcast_to(expected, (size, size, 3))))
    assert inverted.max() <= (0.51 if bits == 16 else 0)
