"""Axe finds nothing serious in any way of reading, and the keyboard reaches every control."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page

from curation.tables.people import Role
from tests.e2e.axe import found_by_axe
from tests.e2e.conftest import Room, sign_in, sign_in_anywhere, wait_until_reading
from tests.e2e.every_page import MENU, every_page, menu_pages
from tests.e2e.lived_in import read_by_people

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
NewContext = Callable[..., BrowserContext]


# Controls that a person can use, with those inside our components, less what cannot take the focus by itself.
CONTROLS = """
(inside) => {
  const roots = inside ? [...document.querySelectorAll(inside)].map((host) => host.shadowRoot ?? host) : [document];
  const focusable = "a[href], button, input, select, textarea, [tabindex]";
  const found = roots.flatMap((root) => [...root.querySelectorAll(focusable)]);
  window.controls = found.filter((node) =>
    !node.disabled && node.tabIndex >= 0 && node.checkVisibility({ visibilityProperty: true })
    && !(node.type === "radio" && !node.checked));
  return window.controls.map((node) => node.outerHTML.slice(0, 120));
}
"""
FOCUSED = """
() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  const style = getComputedStyle(node);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  return { index: window.controls.indexOf(node), visible: outlined || style.boxShadow !== "none" };
}
"""
VIEWER = "[data-testid=stBidiComponentIsolated]"


def test_axe_looks_at_the_colours_that_a_page_ends_with(new_context: NewContext) -> None:
    page = new_context().new_page()
    words = '<p style="transition: color 400ms; color: #000; background: #fff">Words that fade</p>'
    page.set_content(f'<html lang="en"><head><title>Fading</title></head><body><main>{words}</main></body></html>')
    assert found_by_axe(page) == []
    page.evaluate("() => { document.querySelector('p').style.color = '#ddd'; }")
    assert [line.partition(":")[0] for line in found_by_axe(page)] == ["color-contrast"]


def test_axe_finds_nothing_serious_on_any_page_in_the_light_theme(used_room: Room, new_context: NewContext) -> None:
    """The dark theme is looked at where all other hosts are cut off."""
    room = used_room
    room.worklist(name="in-the-light")
    page = new_context().new_page()
    page.emulate_media(color_scheme="light")
    page.add_init_script("localStorage.setItem('rounds-theme', 'light')")
    walk_through = every_page(page, room, room.reader(Role.ADMINISTRATOR))
    violations = {at: found_by_axe(page) for at in walk_through}
    page.context.clear_cookies()
    sign_in_anywhere(page, room, room.reader(Role.PRIVACY))
    page.wait_for_selector(MENU)
    violations |= {at: found_by_axe(page) for at in menu_pages(page)}
    assert {"grid", "results", "agreement", "readers", "accounts", "pairs", "lineage"} <= set(violations)
    assert {at: lines for at, lines in violations.items() if lines} == {}


ANSWERS = {
    "practice": {"practice": 4},
    "turing": {"kind": "turing", "real_controls": 4},
    "blind": {"label_shown": False, "grid": False, "ratings": True},
    "adjudicate": {"readers_per_image": 2, "rule": "adjudicated", "limit": 20},
}


@pytest.mark.parametrize("kind", list(ANSWERS))
def test_axe_finds_nothing_serious_in_any_way_of_reading(used_room: Room, new_context: NewContext, kind: str) -> None:
    room = used_room
    room.close_worklists()
    worklist_id = room.worklist(**ANSWERS[kind])
    if kind == "adjudicate":
        read_by_people(room.project, worklist_id)
    page = new_context().new_page()
    sign_in_anywhere(page, room, room.reader(Role.ADJUDICATOR))
    if kind == "adjudicate":
        page.locator("[data-slot=worklists]").select_option(label=f"reading-{room.made - 1}, to adjudicate")
    page.wait_for_selector(".room[data-state=reading]")
    violations = found_by_axe(page)
    page.keyboard.press("2" if kind == "turing" else "a")
    if kind in ("practice", "adjudicate"):
        page.wait_for_selector(".telling strong:not(:text('Kept'))")
    assert violations + found_by_axe(page) == []
    room.close_worklists()


def test_axe_finds_nothing_serious_on_the_first_visit(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context().new_page()
    sign_in_anywhere(page, room, room.reader(consent=False))
    page.wait_for_url("**/rounds/welcome")
    assert found_by_axe(page) == []
    assert walk(page, None) == ([], [])


def walk(page: Page, inside: str | None) -> tuple[list[str], list[str]]:
    """Press Tab until it comes round; returns controls it never reached, and those without a visible focus."""
    controls = page.evaluate(CONTROLS, inside)
    reached: dict[int, bool] = {}
    for _ in range(2 * len(controls) + 30):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["index"] >= 0:
            reached[focused["index"]] = focused["visible"]
    missed = [html for index, html in enumerate(controls) if index not in reached]
    return missed, [controls[index] for index, visible in reached.items() if not visible]


def test_the_keyboard_reaches_every_control_of_the_viewer(room: Room, new_context: NewContext) -> None:
    room.worklist()
    room.worklist()
    page = new_context().new_page()
    sign_in(page, room, room.reader())
    page.keyboard.press("a")
    assert walk(page, VIEWER) == ([], [])


def test_the_keyboard_reaches_every_control_of_sign_in_and_account(room: Room, new_context: NewContext) -> None:
    room.worklist()
    page = new_context().new_page()
    page.goto(f"{room.server.url}/rounds/sign-in")
    assert walk(page, None) == ([], [])
    sign_in(page, room, room.reader())
    page.goto(f"{room.server.url}/rounds/account")
    assert walk(page, None) == ([], [])


def test_a_reader_signs_in_reads_and_leaves_by_keyboard_alone(room: Room, new_context: NewContext) -> None:
    worklist_id = room.worklist()
    page = new_context().new_page()
    page.goto(f"{room.server.url}/rounds/sign-in")
    page.keyboard.type(room.reader())
    page.keyboard.press("Tab")
    page.keyboard.type("a long enough password")
    page.keyboard.press("Enter")
    wait_until_reading(page)
    for key in "asu":
        page.keyboard.press(key)
    room.wait_for_readings(worklist_id, 2)
    page.keyboard.press("?")
    page.wait_for_selector("dialog.help[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog.help:not([open])", state="attached")
    page.locator("[data-slot=account]").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#sign-out")


@pytest.mark.parametrize("page_name", ["read", "sign-in"])
def test_nothing_moves_for_those_who_asked_for_less_motion(room: Room, new_context: NewContext, page_name: str) -> None:
    room.worklist()
    page = new_context().new_page()
    page.emulate_media(reduced_motion="reduce")
    if page_name == "read":
        sign_in(page, room, room.reader())
    else:
        page.goto(f"{room.server.url}/rounds/sign-in")
    moving = page.evaluate(
        """() => {
          const host = document.querySelector("[data-testid=stBidiComponentIsolated]");
          const nodes = host ? [...host.shadowRoot.querySelectorAll("*")] : [...document.querySelectorAll("body *")];
          const seconds = (text) => Math.max(...text.split(",").map(parseFloat));
          return nodes.filter((node) => {
            const style = getComputedStyle(node);
            const animated = style.animationName !== "none" && seconds(style.animationDuration) > 0.01;
            return animated || seconds(style.transitionDuration) > 0.01;
          }).map((node) => node.outerHTML.slice(0, 100));
        }"""
    )
    assert moving == []
