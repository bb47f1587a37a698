"""Each page beside reading opens for the roles that may see it, and does what is asked there."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import select

from curation.tables.operations import Event, Job, JobStatus
from curation.tables.people import Reader, Role
from curation.tables.reading import Worklist
from generate.registry import add_generator
from tests.e2e.axe import found_by_axe
from tests.e2e.conftest import Room, sign_in_anywhere
from tests.e2e.every_page import wait_until_settled
from tests.rows import NOW

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]

EVERY_PAGE = {
    "Read", "Overview", "Results", "Agreement", "Readers", "Measures", "Images", "Pairs", "Lineage", "Generate",
    "Screening", "Worklists", "Snapshots", "Accounts",
}  # fmt: skip
MANAGED = EVERY_PAGE - {"Images", "Accounts"}
PAGES = {
    Role.READER: {"Read", "Overview"},
    Role.ADJUDICATOR: {"Read", "Overview", "Images"},
    Role.PRIVACY: {"Images", "Pairs", "Lineage"},
    Role.CURATOR: MANAGED,
    Role.ADMINISTRATOR: MANAGED | {"Accounts"},
}
FIRST = {
    Role.READER: "Read",
    Role.ADJUDICATOR: "Read",
    Role.PRIVACY: "Pairs",
    Role.CURATOR: "Overview",
    Role.ADMINISTRATOR: "Accounts",
}
SEEN = {
    "Results": "Read by",
    "Agreement": "Figures",
    "Readers": "Exclusion rules",
    "Measures": "Nothing measured yet",
    "Images": "Nearest real images",
    "Pairs": "No pairs to judge",
    "Lineage": "In words",
    "Generate": "Jobs",
    "Screening": "Verdicts by class",
    "Worklists": "Another worklist",
    "Snapshots": "Preview a mix",
    "Accounts": "Another account",
}


def open_as(room: Room, context: BrowserContext, role: Role) -> Page:
    """A page signed in as somebody of this role, past the frame's first paint."""
    page = context.new_page()
    sign_in_anywhere(page, room, room.reader(role))
    page.wait_for_selector("[data-testid=stMain]")
    return page


@pytest.mark.parametrize("role", list(Role))
def test_a_role_has_its_pages_and_they_open(room: Room, new_context: NewContext, role: Role) -> None:
    room.worklist()
    room.close_worklists()
    page = open_as(room, new_context(), role)
    bar = page.locator("[data-testid=stTopNavLink]")
    if PAGES[role]:
        expect(bar).to_have_count(len(PAGES[role]))
    assert set(bar.all_inner_texts()) == PAGES[role]
    expect(page.locator("[data-testid=stTopNavLink][aria-current=page]")).to_have_text(FIRST[role])
    account = page.get_by_role("link", name="Account, sign out")
    for name in sorted(PAGES[role] & SEEN.keys()):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_text(SEEN[name]).first).to_be_visible()
        expect(account).to_be_visible()
        assert page.locator("[data-testid=stException]").count() == 0
    for name in sorted(EVERY_PAGE - PAGES[role] - {"Read"}):
        page.goto(f"{room.server.url}/{name.lower()}")
        expect(page.get_by_text("Your role does not see this page")).to_be_visible()
        assert page.get_by_text(SEEN.get(name, "Accepted, by class"), exact=True).count() == 0
    account.click()
    expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()


def test_a_batch_asked_for_on_the_page_is_a_job_and_can_be_cancelled(room: Room, new_context: NewContext) -> None:
    add_generator(room.project, NOW, "shipped")
    page = open_as(room, new_context(), Role.CURATOR)
    page.get_by_role("link", name="Generate", exact=True).click()
    seed = page.get_by_label("Seed", exact=True)
    drawn = seed.input_value()
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.get_by_text("is queued as job")).to_be_visible()
    expect(seed).not_to_have_value(drawn)  # the same seed again would be the same batch
    expect(page.get_by_text("waiting for a worker, 0 of")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).first.click()
    expect(page.get_by_text("cancelled, 0 of")).to_be_visible()
    with room.project.database.read() as session:
        job = session.scalars(select(Job).where(Job.kind == "generate")).one()
        assert job.status is JobStatus.CANCELLED
        assert session.scalars(select(Event.payload).where(Event.kind == "job.cancelled")).one()["job"] == job.id


def test_an_account_made_on_the_page_has_a_password_that_is_shown_once(room: Room, new_context: NewContext) -> None:
    page = open_as(room, new_context(), Role.ADMINISTRATOR)
    page.get_by_role("link", name="Accounts", exact=True).click()
    page.get_by_label("Name", exact=True).fill("dana")
    page.get_by_role("button", name="Add", exact=True).click()
    shown = page.locator(".st-key-one-time code")
    expect(shown).to_be_visible()
    password = shown.inner_text().strip()
    with room.project.database.read() as session:
        assert session.scalars(select(Reader).where(Reader.name == "dana")).one().must_change_password
    page.get_by_role("link", name="Worklists", exact=True).click()
    expect(page.get_by_text("Another worklist")).to_be_visible()
    assert password not in page.content()


def test_a_worklist_made_on_the_page_can_be_paused_there(room: Room, new_context: NewContext) -> None:
    page = open_as(room, new_context(), Role.CURATOR)
    page.get_by_role("link", name="Worklists", exact=True).click()
    page.get_by_label("Name", exact=True).fill("from-the-page")
    page.get_by_text("Settled images again").click()
    page.get_by_role("button", name="Make the worklist").click()
    expect(page.locator(".st-key-worklists").get_by_text("from-the-page")).to_be_visible()
    page.get_by_role("button", name="Manage").first.click()
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("paused", exact=True).first).to_be_visible()
    with room.project.database.read() as session:
        made = session.scalars(select(Worklist).where(Worklist.name == "from-the-page")).one()
    assert made.paused_at is not None
    room.close_worklists()


def test_the_start_page_opens_at_its_own_address_too(room: Room, new_context: NewContext) -> None:
    page = open_as(room, new_context(), Role.CURATOR)
    page.goto(f"{room.server.url}/overview")
    expect(page.get_by_text("Accepted, by class").first).to_be_visible()
    page.goto(f"{room.server.url}/read")
    expect(page.get_by_role("link", name="Overview", exact=True)).to_be_visible()
    page.wait_for_timeout(500)  # a dialog about a page that is not there would come now
    assert page.locator(".stDialog").count() == 0
    page.goto(f"{room.server.url}/accounts")
    expect(page.get_by_text("Your role does not see this page")).to_be_visible()


def test_an_account_gets_another_role_and_password_and_is_deactivated(room: Room, new_context: NewContext) -> None:
    name = room.reader(Role.READER)
    page = open_as(room, new_context(), Role.ADMINISTRATOR)
    page.get_by_role("link", name="Accounts", exact=True).click()
    line = page.locator(".st-key-accounts [data-testid=stHorizontalBlock]").filter(has_text=name).first
    line.get_by_role("button", name="Manage").click()
    page.get_by_role("button", name="New one-time password").click()
    expect(page.locator(".st-key-one-time code")).to_be_visible()
    page.goto(f"{room.server.url}/accounts")  # a menu may stay open over a rerun; a fresh page has it closed
    line.get_by_role("button", name="Manage").click()
    page.get_by_role("button", name="Deactivate", exact=True).click()
    expect(line.get_by_text("deactivated")).to_be_visible()
    with room.project.database.read() as session:
        held = session.scalars(select(Reader).where(Reader.name == name)).one()
    assert held.must_change_password
    assert not held.active


def open_list(page: Page, label: str) -> None:
    """Click on a field until its list stands: a rerun of the page that is under way closes it again."""
    for _ in range(10):
        page.get_by_label(label).click()
        page.wait_for_timeout(700)
        if page.get_by_role("option").count():
            return
    raise AssertionError(f"the list of {label} does not open")


def test_on_a_4k_screen_menus_are_as_large_as_the_page(room: Room, new_context: NewContext) -> None:
    room.worklist()
    heights = {}
    for width, height in ((1440, 900), (3840, 2160)):
        page = open_as(room, new_context(width, height), Role.CURATOR)
        page.goto(f"{room.server.url}/worklists")
        page.wait_for_selector(".st-key-page-form")
        wait_until_settled(page)  # a rerun would close the list again
        open_list(page, "Order")
        heights[width, "option"] = page.get_by_role("option").first.bounding_box()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Manage").first.click()
        heights[width, "button"] = page.get_by_role("button", name="Pause").bounding_box()
    for what in ("option", "button"):
        small, large = heights[1440, what], heights[3840, what]
        assert small
        assert large
        assert large["height"] / small["height"] == pytest.approx(1.5, rel=0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_chosen_readers_can_be_read(room: Room, new_context: NewContext, theme: str) -> None:
    name = room.reader()
    context = new_context(fresh=True)
    context.add_init_script(f"localStorage.setItem('rounds-theme', '{theme}')")
    page = open_as(room, context, Role.CURATOR)
    page.goto(f"{room.server.url}/worklists")
    page.wait_for_selector(".st-key-page-form")
    wait_until_settled(page)
    page.get_by_label("Who may read").last.click()
    page.keyboard.type(name)
    page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)  # the list fades out, and faint text is no finding
    expect(page.locator("[data-tag]")).to_have_text(name)
    wait_until_settled(page)
    assert found_by_axe(page) == []
