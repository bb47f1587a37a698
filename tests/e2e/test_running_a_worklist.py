"""Running a worklist from the pages: readers, images given back, a reader study, a batch."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import func, select

from curation.tables.generation import Batch
from curation.tables.images import BuildStatus
from curation.tables.people import Role
from curation.tables.reading import Assignment, AssignmentState, Worklist, WorklistReader
from generate.registry import add_generator
from tests.e2e.conftest import Room, sign_in, sign_in_anywhere, wait_until
from tests.e2e.every_page import wait_until_settled
from tests.rows import NOW

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]


def worklists_page(room: Room, context: BrowserContext) -> Page:
    """The page of worklists as a curator sees it."""
    page = context.new_page()
    sign_in_anywhere(page, room, room.reader(Role.CURATOR))
    page.get_by_role("link", name="Worklists", exact=True).click()
    expect(page.get_by_text("Another worklist")).to_be_visible()
    wait_until_settled(page)  # a rerun would close a list that is open
    return page


def manage(page: Page, name: str) -> None:
    """Open the menu of one worklist."""
    line = page.locator(".st-key-worklists [data-testid=stHorizontalBlock]").filter(has_text=name).first
    line.get_by_role("button", name="Manage").click()


def made(room: Room, name: str) -> Worklist:
    """The worklist as the database has it."""
    with room.project.database.read() as session:
        return session.scalars(select(Worklist).where(Worklist.name == name)).one()


def test_who_may_read_is_said_on_the_page(room: Room, new_context: NewContext) -> None:
    chosen = room.reader()
    worklist_id = room.worklist(name="for-one-reader")
    page = worklists_page(room, new_context())
    manage(page, "for-one-reader")
    page.locator("[data-testid=stPopoverBody]").get_by_label("Who may read").click()
    page.keyboard.type(chosen)
    page.get_by_role("option", name=chosen, exact=True).click()
    page.keyboard.press("Tab")  # Escape would close the menu as well
    page.get_by_role("button", name="Save who may read").click()
    named = select(func.count()).where(WorklistReader.worklist_id == worklist_id)

    def one_is_named() -> bool:
        with room.project.database.read() as session:
            return session.scalar(named) == 1

    wait_until(page, one_is_named)
    room.close_worklists()


def test_images_that_somebody_holds_are_given_back_on_the_page(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist(name="held-by-one")
    reading = new_context().new_page()
    sign_in(reading, room, room.reader())
    reading.close()

    def held() -> int:
        query = select(func.count()).where(
            Assignment.worklist_id == worklist_id, Assignment.state == AssignmentState.LEASED
        )
        with room.project.database.read() as session:
            return session.scalar(query) or 0

    assert held() > 0
    page = worklists_page(room, new_context())
    manage(page, "held-by-one")
    page.get_by_role("button", name="Give held images back").click()
    wait_until(page, lambda: held() == 0)
    room.close_worklists()


def test_a_reader_study_made_on_the_page_deals_out_its_images(used_room: Room, new_context: NewContext) -> None:
    readers = [used_room.reader() for _ in range(3)]
    page = worklists_page(used_room, new_context())
    page.get_by_text("Evidence", exact=True).click()
    form = page.locator(".st-key-page-form")
    page.wait_for_timeout(300)
    wait_until_settled(page)  # until then the other form is there as well
    form.get_by_text("Settled images again", exact=True).click()
    expect(form.get_by_text("both together can be")).to_be_visible()
    expect(form.get_by_text("Evidence asks for 100 controls; the form begins with what there is")).to_be_visible()
    for label, value in (("Real controls", "6"), ("Planted defects", "6"), ("Practice images", "4")):
        form.get_by_label(label, exact=True).fill(value)
        page.keyboard.press("Tab")
    form.get_by_label("Name", exact=True).fill("a-study-from-the-page")
    for name in readers:
        form.get_by_label("Who may read").click()
        page.keyboard.type(name)
        page.get_by_role("option", name=name, exact=True).click()
        page.keyboard.press("Tab")
    page.get_by_role("button", name="Make the worklist").click()
    line = page.locator(".st-key-worklists .r-line").filter(has_text="a-study-from-the-page")
    expect(line).to_be_visible()  # the name in the form does not count
    worklist = made(used_room, "a-study-from-the-page")
    assert (worklist.label_shown, worklist.readers_per_image, worklist.controls) == (False, 2, 12)
    with used_room.project.database.read() as session:
        shares = session.execute(
            select(Assignment.reader_id, func.count())
            .where(Assignment.worklist_id == worklist.id)
            .group_by(Assignment.reader_id)
        ).all()
    assert len(shares) == 3
    assert max(count for _, count in shares) - min(count for _, count in shares) <= 2
    used_room.close_worklists()


def test_pictures_of_a_batch_come_while_a_worker_draws(room: Room, new_context: NewContext) -> None:
    add_generator(room.project, NOW, "shipped")
    page = new_context().new_page()
    sign_in_anywhere(page, room, room.reader(Role.CURATOR))
    page.get_by_role("link", name="Generate", exact=True).click()
    page.get_by_label("Seed", exact=True).fill("4242")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.get_by_text("is queued as job")).to_be_visible()
    command = [sys.executable, "-c", "from cli.main import main; main()", "--project", str(room.project.root)]
    worker = subprocess.Popen([*command, "worker"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        expect(page.get_by_role("img", name="The newest images of batch").first).to_be_visible()
        expect(page.get_by_text("running").first).to_be_visible()
    finally:
        worker.kill()  # what it had drawn stays; the next worker draws the missing indexes
        worker.wait(30)
    with room.project.database.read() as session:
        newest = session.scalars(select(Batch).order_by(Batch.id.desc())).first()
    assert newest is not None
    assert newest.status in (BuildStatus.BUILDING, BuildStatus.READY)
