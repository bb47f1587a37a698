"""Streamlit may call the viewer again before its first call has ended."""

from collections.abc import Callable
from dataclasses import asdict

import pytest
from playwright.sync_api import BrowserContext, Page
from sqlalchemy import select

from curation.reading.reading_list import list_readable_worklists
from curation.tables.people import Reader
from review_ui.views.review import SCRIPTS, _read
from tests.e2e.conftest import Room, sign_in_anywhere

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]

MOUNT = """async ({ script, html, worklists, closes }) => {
  const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
  const viewer = (await import(url)).default;
  const root = document.body.appendChild(document.createElement('div')).attachShadow({ mode: 'open' });
  root.innerHTML = html;
  const call = () => viewer({ data: { worklists }, parentElement: root });
  const cleanups = [call(), call()];
  for (const place of closes) cleanups[place]();
  window.mounted = root;
}"""


def mount(room: Room, context: BrowserContext, closes: list[int]) -> Page:
    """Call the viewer twice on one element of a page of ours, then clean up after some of the calls."""
    worklist_id = room.worklist()
    name = room.reader()
    page = context.new_page()
    sign_in_anywhere(page, room, name)
    page.wait_for_selector(".room")
    page.goto(f"{room.server.url}/overview")
    page.wait_for_selector("[data-testid=stTopNavLink]")
    with room.project.database.read() as session:
        reader_id = session.scalars(select(Reader.id).where(Reader.name == name)).one()
        readable = [
            worklist for worklist in list_readable_worklists(session, reader_id, False) if worklist.id == worklist_id
        ]
    worklists = [{**asdict(worklist), "modes": list(worklist.modes)} for worklist in readable]
    script = "\n".join(map(_read, SCRIPTS))
    page.evaluate(MOUNT, {"script": script, "html": _read("viewer.html"), "worklists": worklists, "closes": closes})
    return page


def test_the_clean_up_of_an_overtaken_call_leaves_the_viewer_alone(room: Room, new_context: NewContext) -> None:
    page = mount(room, new_context(), closes=[0])
    page.wait_for_function("() => window.mounted.querySelector('.room').dataset.state === 'reading'")
    page.keyboard.press("a")
    assert len(room.wait_for_readings(room.newest, 1)) == 1


def test_the_clean_up_of_the_newest_call_closes_it(room: Room, new_context: NewContext) -> None:
    page = mount(room, new_context(), closes=[0, 1])
    assert page.evaluate("() => window.mounted.rounds") is None
