"""A real Chromium on a real server: one a session, with a worklist and readers for each test."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from sqlalchemy import select, update

from cli.demo import generate_candidates
from curation.ingest.virtual_brains.cohort import import_virtual_brains
from curation.ingest.virtual_brains.render import render
from curation.project import Project
from curation.readers.accounts import add_reader
from curation.reading.recipe import WorklistRecipe
from curation.tables.generation import Batch
from curation.tables.images import Image
from curation.tables.people import Role
from curation.tables.reading import Assignment, Reading, Verdict
from curation.worklists.create import close_worklist, create_worklist
from curation.worklists.summaries import list_worklists
from tests.builders import add_candidates
from tests.conftest import missing
from tests.e2e.browser import (
    HEIGHT,
    LAUNCH_ARGUMENTS,
    WAIT_MS,
    WIDTH,
    Profiles,
    find_chromium,
    new_profile,
    unwanted_arguments,
)
from tests.e2e.lived_in import live_in
from tests.passwords import cheap_passwords
from tests.review_ui.serving import ReviewServer
from tests.rows import NOW, add_consent
from tests.worlds.shared import copy_world, make_once

PASSWORD = "a long enough password"
IMAGES = 80
SUBJECTS = 240
NOTICE = "SIMULATED from one template; intervals cover warps, not patients; not for diagnosis"


@dataclass(frozen=True)
class Given:
    """One reading as the database has it: whose assignment, what was said, and whether it was taken back."""

    key: str
    item_id: int
    reader_id: int
    verdict: Verdict
    reasons: tuple[str, ...]
    voided: bool


@dataclass
class Room:
    """The session's server with its project, and what a test makes in it."""

    server: ReviewServer
    project: Project
    batch_id: int
    made: int = 0
    newest: int = 0  # the worklist that was made last

    def worklist(self, **recipe: object) -> int:
        """A worklist of this test's own over the 80 slices; the newest is the one that a fresh browser opens."""
        self.made += 1
        basis = {"name": f"reading-{self.made}", "batches": (self.batch_id,), "vocabulary": "brain_mr", "again": True}
        fields = {**basis, **recipe}
        with self.project.database.write() as session:
            chosen = WorklistRecipe.model_validate(fields)
            self.newest = create_worklist(session, self.project.chain, NOW, chosen).id
        return self.newest

    def reader(self, role: Role = Role.READER, name: str | None = None, consent: bool = True) -> str:
        """A reader of this test's own, who has been through the welcome page; returns the name."""
        self.made += 1
        name = name or f"reader-{self.made}"
        with cheap_passwords(), self.project.database.write() as session:
            reader = add_reader(session, self.project.chain, NOW, name, PASSWORD, role=role)
            if consent:
                add_consent(session, self.project.chain, reader.id)
        return name

    def close_worklists(self) -> None:
        """Close every worklist, as after the reading is done."""
        with self.project.database.write() as session:
            for worklist in list_worklists(session):
                close_worklist(session, self.project.chain, NOW, worklist.name)

    def readings(self, worklist_id: int) -> list[Given]:
        """Every verdict on this worklist, oldest first."""
        query = (
            select(Reading, Assignment.key)
            .join(Assignment, Assignment.id == Reading.assignment_id)
            .where(Assignment.worklist_id == worklist_id)
            .order_by(Reading.id)
        )
        with self.project.database.read() as session:
            rows = session.execute(query).all()
        voided = {reading.voids_id for reading, _ in rows}
        return [
            Given(key, row.item_id, row.reader_id, row.verdict, tuple(row.reasons), row.id in voided)
            for row, key in rows
            if row.verdict is not None
        ]

    def wait_for_readings(self, worklist_id: int, count: int, seconds: float = 60) -> list[Given]:
        """Poll until there are `count` verdicts, and return them; too many or too few fail."""
        deadline = time.monotonic() + seconds
        while len(self.readings(worklist_id)) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        readings = self.readings(worklist_id)
        assert len(readings) == count
        return readings


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    executable = find_chromium()
    if executable is None:
        missing("Chromium", "on Debian, `apt-get install chromium-headless-shell`")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=executable, args=LAUNCH_ARGUMENTS, ignore_default_args=unwanted_arguments()
        )
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Iterator[Room]:
    """A running server over one project with 80 screened candidates."""

    def make(root: Path) -> None:
        project = make_project(root)
        _add_rendered(project)
        project.database.dispose()

    yield from _serve(make_once(tmp_path_factory, "reading room", make), tmp_path_factory)


@pytest.fixture(scope="session")
def used_room(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Iterator[Room]:
    """A running server over a project that was read in before; for pictures, its candidates are the demo's."""

    def make(root: Path) -> None:
        project = make_project(root)
        import_virtual_brains(project, NOW, SUBJECTS)  # before screening, which looks for neighbours among them
        if screenshots_wanted():
            generate_candidates(project, IMAGES // 2)
        else:
            _add_rendered(project)
        with cheap_passwords():
            live_in(project)
        project.database.dispose()

    yield from _serve(make_once(tmp_path_factory, "virtual brains", make), tmp_path_factory)


def _serve(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A server over a copy of a world."""
    project = Project.open(copy_world(world, tmp_path_factory.mktemp("e2e") / world.name))
    server = ReviewServer(project.root)
    server.start()
    with project.database.read() as session:
        batch_id = session.scalars(select(Batch.id)).one()
    yield Room(server, project, batch_id)
    server.stop()
    project.database.dispose()


def _add_rendered(project: Project) -> None:
    """Virtual subjects stand in for candidates: quick, and no test looks at what they show."""
    slices = [render(1000 + number) for number in range(IMAGES)]
    with project.database.write() as session:
        pictures = [slice_.pixels[:, :, None] for slice_ in slices]
        batch = add_candidates(project, session, pictures, [slice_.label for slice_ in slices])
        batch.generator.card = {"notice": NOTICE}
        spacing_mm = slices[0].spacing_mm
        session.execute(update(Image).values(spacing_row_mm=spacing_mm, spacing_column_mm=spacing_mm))


@pytest.fixture(scope="session")
def profiles(browser: Browser) -> Profiles:
    """Profiles that have loaded Streamlit's scripts once."""
    return Profiles(browser)


@pytest.fixture
def new_context(browser: Browser, profiles: Profiles) -> Iterator[Callable[..., BrowserContext]]:
    """Opens browser profiles without cookies or anything stored; `fresh` ones also without downloads."""
    opened: list[BrowserContext] = []

    def make(width: int = WIDTH, height: int = HEIGHT, fresh: bool = False) -> BrowserContext:
        if (width, height) == (WIDTH, HEIGHT) and not fresh:
            return profiles.take()
        opened.append(new_profile(browser, width, height))
        return opened[-1]

    yield make
    for context in opened:
        context.close()
    profiles.give_back()


def sign_in_anywhere(page: Page, room: Room, name: str) -> None:
    """Sign in on the form; what comes next is the test's own."""
    page.goto(f"{room.server.url}/rounds/sign-in")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")


def sign_in(page: Page, room: Room, name: str) -> None:
    """Sign in, turn to reading where the role opens on another page, and wait until images are in memory."""
    sign_in_anywhere(page, room, name)
    opened = page.locator("[data-testid=stTopNavLink][aria-current=page]").inner_text()
    if opened != "Read":  # a click on the page that is open already runs it once more
        page.get_by_role("link", name="Read", exact=True).click()
    wait_until_reading(page)


def wait_until_reading(page: Page) -> None:
    """Wait for an image on the screen and enough ahead of it that no press waits for the network."""
    page.wait_for_selector(".room[data-state=reading]")
    wait_until_loaded(page, 40)


def wait_until_loaded(page: Page, images: int) -> None:
    """Wait until so many images have come; a press before its image is there is rightly no verdict."""
    page.wait_for_function(
        "images => performance.getEntriesByType('resource').filter("
        "entry => entry.name.includes('/rounds/pixels/') && entry.responseEnd > 0).length >= images",
        arg=images,
    )


def shown_key(page: Page) -> str:
    """The assignment on the screen."""
    return page.locator(".room").get_attribute("data-shown") or ""


def wait_until_saved(page: Page) -> None:
    """Wait until the page says that everything is saved."""
    page.wait_for_selector("[data-saved=saved]")


def wait_until(page: Page, holds: Callable[[], bool]) -> None:
    """Poll until something holds that the page does not promise, as what another process writes."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while not holds() and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert holds(), what_page_holds(page)


def what_page_holds(page: Page) -> str:
    """The address, the words and what is kept in the browser: what a failure on another machine is understood from."""
    stored = page.evaluate("() => JSON.stringify(localStorage)")
    return f"{page.url}\n{page.inner_text('body')[:2000]}\nkept in the browser: {stored[:4000]}"


def process_maps(process: BaseProcess) -> str:
    """The files mapped into a running process (Linux)."""
    path = Path(f"/proc/{process.pid}/maps")
    return path.read_text() if path.exists() else ""


def screenshots_wanted() -> bool:
    """Whether this run writes the pictures of the documentation."""
    return bool(os.environ.get("ROUNDS_SCREENSHOTS"))
