"""The privacy role judges pairs by keyboard: blind, with undo, and kept without a server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, Route, expect
from sqlalchemy import select

from curation.pairs.build import create_pair_list
from curation.pairs.recipe import PairRecipe
from curation.project import Project
from curation.tables.pairs import PairReading, PairVerdict
from curation.tables.people import Role
from tests.curation.pairs.rows import add_suspects, add_training
from tests.e2e.conftest import Room, sign_in_anywhere, wait_until
from tests.e2e.test_themes import brightness
from tests.review_ui.serving import ReviewServer
from tests.rows import NOW

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Iterator[Room]:
    """A running server over a project with suspects and a list of pairs."""
    project = make_project(tmp_path_factory.mktemp("pairs") / "archive")
    with project.database.write() as session:
        images = add_training(project, session, subjects=16, images_each=2)
        add_suspects(project, session, images[:8], blocked=4)
    create_pair_list(project, NOW, PairRecipe(name="first-pairs", suspects=8, same=6, different=6))
    server = ReviewServer(project.root)
    server.start()
    yield Room(server, project, 1)
    server.stop()
    project.database.dispose()


def open_pairs(room: Room, context: BrowserContext) -> Page:
    """The page of pairs, with one on the screen."""
    page = context.new_page()
    sign_in_anywhere(page, room, room.reader(Role.PRIVACY))
    page.wait_for_selector("[data-testid=stTopNavLink]")
    page.get_by_role("link", name="Pairs", exact=True).click()
    page.get_by_role("link", name="Judge pairs").click()
    page.wait_for_selector(".judging[data-state=judging]")
    return page


def press(page: Page, keys: str) -> None:
    """One key after another, each on a pair that is on the screen."""
    for key in keys:
        page.wait_for_selector(".judging[data-state=judging]")
        page.keyboard.press(key)


def standing(room: Room, reader: str) -> list[PairVerdict]:
    """What this judge has said, and not taken back, in order."""
    from curation.tables.people import Reader

    with room.project.database.read() as session:
        query = select(PairReading).join(Reader, Reader.id == PairReading.reader_id).where(Reader.name == reader)
        rows = session.scalars(query.order_by(PairReading.id)).all()
    voided = {row.voids_id for row in rows}
    return [row.verdict for row in rows if row.verdict is not None and row.id not in voided]


def wait_for_verdicts(room: Room, page: Page, reader: str, verdicts: list[PairVerdict]) -> None:
    """Poll until that is what stands."""
    try:
        wait_until(page, lambda: standing(room, reader) == verdicts)
    except AssertionError as failure:
        log = (room.server.root / "server.log").read_text()[-4000:]
        page.wait_for_timeout(2000)  # whether it goes on once the page was looked at says where it stood still
        last = standing(room, reader)
        raise AssertionError(f"{last} stands by now\n{failure}\nthe server's log: {log}") from failure


def test_pairs_are_judged_and_taken_back_by_keyboard(archive: Room, new_context: NewContext) -> None:
    page = open_pairs(archive, new_context())
    name = f"reader-{archive.made}"
    press(page, "sdn")
    expect(page.locator("#left")).to_have_text("3 of 20 judged")
    press(page, "uud")
    same, different = PairVerdict.SAME, PairVerdict.DIFFERENT
    wait_for_verdicts(archive, page, name, [same, different])
    page.reload()
    page.wait_for_selector(".judging[data-state=judging]")
    expect(page.locator("#left")).to_have_text("2 of 20 judged")
    press(page, "d" * 18)
    expect(page.locator("#told")).to_contain_text("All judged")
    wait_for_verdicts(archive, page, name, [same, *[different] * 19])
    page.get_by_role("link", name="Back").click()
    page.get_by_role("link", name="Pairs", exact=True).click()
    expect(page.get_by_text("20 judged")).to_be_visible()
    assert page.get_by_text("of two subjects").count() == 0  # how they did is told when the list is closed


def test_a_slow_answer_does_not_bring_a_judged_pair_back(archive: Room, new_context: NewContext) -> None:
    page = open_pairs(archive, new_context())
    name = f"reader-{archive.made}"
    page.wait_for_load_state("networkidle")

    def later(route: Route) -> None:
        answer = route.fetch()
        page.wait_for_timeout(1000)  # meanwhile what was judged is sent
        route.fulfill(response=answer)

    page.route("**/rounds/api/pairs/*", later)
    press(page, "s" * 20)
    expect(page.locator("#told")).to_contain_text("All judged")
    wait_for_verdicts(archive, page, name, [PairVerdict.SAME] * 20)


def test_judgements_without_a_server_are_kept_and_sent_later(archive: Room, new_context: NewContext) -> None:
    page = open_pairs(archive, new_context())
    name = f"reader-{archive.made}"
    archive.server.kill()
    press(page, "ss")
    expect(page.locator("#saved")).to_contain_text("2 kept on this device")
    archive.server.start()
    wait_for_verdicts(archive, page, name, [PairVerdict.SAME] * 2)
    expect(page.locator("#saved")).to_have_text("Saved")


def test_a_judgement_after_the_session_ended_is_sent_after_the_next_sign_in(
    archive: Room, new_context: NewContext
) -> None:
    context = new_context()
    page = open_pairs(archive, context)
    name = f"reader-{archive.made}"
    page.wait_for_load_state("networkidle")
    context.clear_cookies()
    press(page, "s")
    page.wait_for_url("**/rounds/sign-in")
    sign_in_anywhere(page, archive, name)
    page.wait_for_selector("[data-testid=stTopNavLink]")
    page.goto(f"{archive.server.url}/rounds/pairs")
    wait_for_verdicts(archive, page, name, [PairVerdict.SAME])
    expect(page.locator("#left")).to_have_text("1 of 20 judged")


def test_a_judgement_is_saved_after_another_tab_signed_in_again(archive: Room, new_context: NewContext) -> None:
    context = new_context()
    page = open_pairs(archive, context)
    name = f"reader-{archive.made}"
    other = context.new_page()
    sign_in_anywhere(other, archive, name)
    other.wait_for_selector("[data-testid=stTopNavLink]")
    press(page, "d")
    wait_for_verdicts(archive, page, name, [PairVerdict.DIFFERENT])


def test_two_tabs_lose_no_judgement_and_a_refused_one_stays_on_the_page(archive: Room, new_context: NewContext) -> None:
    context = new_context()
    page, other = open_pairs(archive, context), context.new_page()
    name = f"reader-{archive.made}"
    other.goto(f"{archive.server.url}/rounds/pairs")
    other.wait_for_selector(".judging[data-state=judging]")
    archive.server.kill()
    press(other, "s")
    press(page, "dd")
    for tab in (page, other):  # neither has overwritten what the other keeps
        expect(tab.locator("#saved")).to_contain_text("3 kept on this device")
    archive.server.start()
    wait_for_verdicts(archive, page, name, [PairVerdict.SAME, PairVerdict.DIFFERENT])
    refusal = "Not saved: this pair is judged already."
    wait_until(page, lambda: any(refusal in tab.locator("#saved").inner_text() for tab in (page, other)))


def test_a_key_before_the_first_pair_of_a_list_is_no_judgement(archive: Room, new_context: NewContext) -> None:
    page = open_pairs(archive, new_context())
    name = f"reader-{archive.made}"
    page.wait_for_load_state("networkidle")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    held: list[Route] = []
    page.route("**/rounds/api/pairs/*", lambda route: held.append(route))
    with page.expect_request("**/rounds/api/pairs/*"):
        page.locator("#list").dispatch_event("change")  # as when a list is chosen
    assert page.locator(".judging").get_attribute("data-state") == "loading"
    page.keyboard.press("s")
    held.pop().continue_()
    page.unroute("**/rounds/api/pairs/*")
    press(page, "d")
    wait_for_verdicts(archive, page, name, [PairVerdict.DIFFERENT])
    assert errors == []


def test_space_lays_one_picture_over_the_other_and_axe_finds_nothing(archive: Room, new_context: NewContext) -> None:
    page = open_pairs(archive, new_context(1280, 800))
    left = page.locator("#first").bounding_box()
    page.keyboard.down(" ")
    expect(page.locator("#first")).to_be_hidden()
    assert page.locator("#second").bounding_box() == left
    page.keyboard.up(" ")
    expect(page.locator("#first")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")  # the keys are seen without scrolling
    violations = Axe().run(page).response["violations"]
    assert [violation["id"] for violation in violations if violation["impact"] in ("serious", "critical")] == []


def test_the_page_of_pairs_wears_the_theme_of_the_device(archive: Room, new_context: NewContext) -> None:
    page = new_context().new_page()
    page.add_init_script("localStorage.setItem('rounds-theme', 'light')")
    sign_in_anywhere(page, archive, archive.reader(Role.PRIVACY))
    page.goto(f"{archive.server.url}/rounds/pairs")
    page.wait_for_selector(".judging[data-state=judging]")
    assert brightness(page, "body") > 230
    violations = Axe().run(page).response["violations"]
    assert [violation["id"] for violation in violations if violation["impact"] in ("serious", "critical")] == []


def test_others_see_no_pair(archive: Room, new_context: NewContext) -> None:
    page = new_context().new_page()
    sign_in_anywhere(page, archive, archive.reader(Role.CURATOR))
    page.wait_for_selector("[data-testid=stTopNavLink]")
    page.get_by_role("link", name="Pairs", exact=True).click()
    expect(page.get_by_text("first-pairs")).to_be_visible()
    assert page.get_by_role("link", name="Judge pairs").count() == 0
    answer = page.goto(f"{archive.server.url}/rounds/pairs")
    assert answer is not None
    assert answer.status == 403


def test_a_refusal_ends_the_asking_and_judgements_are_kept(archive: Room, new_context: NewContext) -> None:
    context = new_context(fresh=True)
    page = open_pairs(archive, context)
    page.clock.install()
    name = f"reader-{archive.made}"
    page.wait_for_load_state("networkidle")
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.method)
        route.fulfill(status=403, json={"error": "not for you."})

    page.route("**/rounds/api/pairs*", refuse)
    page.keyboard.press("s")
    expect(page.locator("#told")).to_have_text("not for you.")
    expect(page.locator("#saved")).to_contain_text("1 kept on this device")
    page.clock.fast_forward(30_000)
    page.wait_for_timeout(200)
    assert asked == ["POST"]
    page.reload()
    expect(page.locator("#told")).to_have_text("not for you.")
    page.clock.fast_forward(30_000)
    page.wait_for_timeout(200)
    assert asked == ["POST", "POST", "GET"]
    page.unroute("**/rounds/api/pairs*")
    page.reload()
    wait_for_verdicts(archive, page, name, [PairVerdict.SAME])
