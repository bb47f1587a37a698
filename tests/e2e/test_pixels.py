"""What is painted is what is stored: every value through the window, pixel for pixel."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import BrowserContext, Page
from sqlalchemy import select

from curation.image_store import Pixels
from curation.tables.images import Image
from curation.tables.reading import Assignment, WorklistItem
from tests.builders import add_candidates, oval
from tests.e2e.conftest import Room, shown_key, sign_in_anywhere
from tests.e2e.test_grid import sign_in_to_pages

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


# What stands in each tile of a page, averaged into 20 x 20 cells, as red, green and blue.
TILES = """() => {
  const host = [...document.querySelectorAll("*")].find(node => node.shadowRoot?.querySelector(".room"));
  return [...host.shadowRoot.querySelectorAll(".tile canvas")].map(canvas => {
    const small = document.createElement("canvas");
    small.width = small.height = 20;
    const context = small.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(canvas, 0, 0, 20, 20);
    return [...context.getImageData(0, 0, 20, 20).data].filter((_, index) => index % 4 < 3);
  });
}"""


def handed_out(room: Room, worklist_id: int) -> list[Pixels]:
    """The pixels of the worklist's images in the order in which they were handed out."""
    query = (
        select(Image.file_sha256)
        .join(WorklistItem, WorklistItem.image_id == Image.id)
        .join(Assignment, Assignment.item_id == WorklistItem.id)
        .where(Assignment.worklist_id == worklist_id, Assignment.sequence.is_not(None))
        .order_by(Assignment.sequence)
    )
    with room.project.database.read() as session:
        return [room.project.store.pixels(digest) for digest in session.scalars(query)]


@pytest.mark.parametrize(("name", "bits", "channels"), [("tiles of gray 16", 16, 1), ("tiles of colour", 8, 3)])
def test_sixteen_bits_and_colour_reach_the_tiles_of_a_page(
    room: Room, new_context: NewContext, name: str, bits: int, channels: int
) -> None:
    pictures: list[Pixels] = [oval(number, 60, bits, 1) for number in range(400, 412)]
    if channels == 3:  # another picture in each channel: swapped channels would show
        pictures = [
            np.concatenate([pictures[(number + step) % 12] for step in range(3)], axis=2) for number in range(12)
        ]
    with room.project.database.write() as session:
        batch = add_candidates(room.project, session, pictures, name=name)
    worklist_id = room.worklist(batches=(batch.id,), grid_audit_share=0.0)
    page = new_context().new_page()
    sign_in_to_pages(page, room)
    tiles = np.array(page.evaluate(TILES), dtype=float).reshape(-1, 20, 20, 3)
    assert len(tiles) == 12
    for tile, pixels in zip(tiles, handed_out(room, worklist_id), strict=True):
        cells = pixels.astype(float).reshape(20, 3, 20, 3, channels).mean(axis=(1, 3))
        for band in range(3):
            shown, expected = tile[:, :, band].ravel(), cells[:, :, band if channels == 3 else 0].ravel()
            assert np.corrcoef(shown, expected)[0, 1] > 0.97
            assert shown.max() - shown.min() > 60
