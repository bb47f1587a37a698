"""On a phone, a tablet, a laptop, at 200 % and in 4K nothing is cut off and the focus is seen."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from curation.pairs.build import create_pair_list
from curation.pairs.recipe import PairRecipe
from curation.project import Project
from curation.tables.people import Role
from tests.curation.pairs.rows import add_suspects, add_training
from tests.e2e.conftest import Room, sign_in, sign_in_anywhere
from tests.review_ui.serving import ReviewServer
from tests.rows import NOW

pytestmark = pytest.mark.e2e
NewContext = Callable[..., BrowserContext]

SOAK = os.environ.get("ROUNDS_SOAK") == "1"
SCREENS = [(390, 844), (820, 1180), (683, 384), (1366, 768), (3840, 2160)]
TOUCH_WIDTH = 900
FINGER_PX = 44
CONTRAST = 3.0

# What is wrong with the page as it stands: beyond the edge, one control over another, too low for a finger, a small
# picture. Only what can be seen: a sidebar that is folded away lies beyond the edge, and a panel may be scrolled.
FAULTS = """
({ finger }) => {
  const roots = [document, ...[...document.querySelectorAll("*")].map((node) => node.shadowRoot).filter(Boolean)];
  const all = (selector) => roots.flatMap((root) => [...root.querySelectorAll(selector)]);
  const faults = [];
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) faults.push(`${wide} px too wide`);
  const words = (node) => node.textContent.trim() || node.name || node.id || node.tagName;
  const named = (node) => words(node).replace(/\\s+/g, " ").slice(0, 40);
  const seen = (node) => {
    const box = node.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    let top = document.elementFromPoint(x, y);
    while (top?.shadowRoot) top = top.shadowRoot.elementFromPoint(x, y);
    return top === node || node.contains(top);
  };
  const controls = all("button, select, input, a.button, .stApp a").filter((node) =>
    node.checkVisibility({ visibilityProperty: true }) && node.type !== "radio"
    && node.getBoundingClientRect().width > 1 && seen(node));
  const boxes = controls.map((node) => [node, node.getBoundingClientRect()]);
  for (const [node, box] of boxes) {
    if (box.left < -0.5 || box.right > innerWidth + 0.5) faults.push(`beyond the edge: ${named(node)}`);
    if (node.scrollWidth > node.clientWidth + 1 && node.tagName === "BUTTON") faults.push(`cut off: ${named(node)}`);
    if (finger && box.height < finger - 0.5) faults.push(`${box.height} px high: ${named(node)}`);
  }
  const sticky = (node) => node.closest(".verdicts, .acts, .answers, .help form");
  for (const [index, [one, a]] of boxes.entries())
    for (const [other, b] of boxes.slice(index + 1)) {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      const scrolledUnder = Boolean(sticky(one)) !== Boolean(sticky(other));
      const inside = one.contains(other);
      if (across > 1 && down > 1 && !scrolledUnder && !inside) faults.push(`${named(one)} over ${named(other)}`);
    }
  for (const node of all(".caption"))
    if (node.scrollWidth > node.clientWidth + 1) faults.push(`shortened: ${named(node)}`);
  const picture = all(".stage, .pages, .pair").find((node) => node.checkVisibility());
  const share = picture ? picture.getBoundingClientRect().height / innerHeight : 1;
  if (share < 0.4) faults.push(`the picture has ${Math.round(100 * share)} % of the height`);
  return faults;
}
"""

# The ring of what has the focus: its colour against what lies around it, or null where there is none.
RING = """
() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  if (!node || node === document.body) return { name: null };
  const name = `${node.tagName} ${(node.getAttribute("aria-label") ?? node.textContent.trim()).slice(0, 40)}`;
  const style = getComputedStyle(node);
  if (node.matches(".tiles")) return { name, contrast: 21 }; // its ring is around the tile of the cursor
  if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) return { name, contrast: 0 };
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgba(colour).map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parent = (one) => one.parentElement ?? one.getRootNode().host ?? null;
  let around = parseFloat(style.outlineOffset) < 0 ? node : parent(node);
  while (around && rgba(getComputedStyle(around).backgroundColor)[3] < 255) around = parent(around);
  const [a, b] = [light(style.outlineColor), light(around ? getComputedStyle(around).backgroundColor : "#fff")];
  return { name, contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) };
}
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Iterator[Room]:
    """A running server over a project with a list of pairs."""
    project = make_project(tmp_path_factory.mktemp("screens") / "archive")
    with project.database.write() as session:
        images = add_training(project, session, subjects=16, images_each=2)
        add_suspects(project, session, images[:8], blocked=4)
    create_pair_list(project, NOW, PairRecipe(name="first-pairs", suspects=8, same=6, different=6))
    server = ReviewServer(project.root)
    server.start()
    yield Room(server, project, 1)
    server.stop()
    project.database.dispose()


def faults_on_every_screen(page: Page, screens: Sequence[tuple[int, int]] = SCREENS) -> dict[str, list[str]]:
    """The faults of what is on the page, by size of the screen; at the end the size is a laptop's again."""
    faults = {}
    for width, height in screens:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.wait_for_timeout(150)  # Streamlit folds its menu a moment later
        finger = FINGER_PX if width <= TOUCH_WIDTH else 0
        faults[f"{width} x {height}"] = page.evaluate(FAULTS, {"finger": finger})
    page.set_viewport_size({"width": 1366, "height": 768})
    return {size: lines for size, lines in faults.items() if lines}


def faint_rings(page: Page, presses: int = 60) -> list[str]:
    """What the Tab key reaches whose ring is missing or too faint."""
    faint, reached = [], set()
    for _ in range(presses):
        page.keyboard.press("Tab")
        ring = page.evaluate(RING)
        if ring["name"] is None or ring["name"] in reached:
            continue
        reached.add(ring["name"])
        if ring["contrast"] < CONTRAST:
            faint.append(f"{ring['name']}: {ring['contrast']:.1f}")
    assert len(reached) > 1
    return faint


@pytest.mark.soak
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_reading_fits_every_screen_and_shows_the_focus(room: Room, new_context: NewContext, theme: str) -> None:
    screens = SCREENS if SOAK or theme == "dark" else ()  # what fits does not depend on colours
    room.close_worklists()
    room.worklist()
    room.worklist()
    page = new_context().new_page()
    page.emulate_media(color_scheme="light" if theme == "light" else "dark")
    page.add_init_script(f"localStorage.setItem('rounds-theme', '{theme}')")
    page.goto(f"{room.server.url}/rounds/sign-in")
    found = {"sign-in": faults_on_every_screen(page, screens)}
    rings = {"sign-in": faint_rings(page, 4)}
    sign_in(page, room, room.reader(Role.ADMINISTRATOR))
    for key in "axs":
        page.keyboard.press(key)
    found["read"] = faults_on_every_screen(page, screens)
    rings["read"] = faint_rings(page)
    page.keyboard.press("g")
    page.wait_for_selector(".room[data-view=grid][data-state=reading] .tile canvas")
    page.keyboard.press("Space")
    found["grid"] = faults_on_every_screen(page, screens)
    rings["grid"] = faint_rings(page)
    page.goto(f"{room.server.url}/rounds/account")
    found["account"] = faults_on_every_screen(page, screens)
    rings["account"] = faint_rings(page, 8)
    assert {at: lines for at, lines in found.items() if lines} == {}
    assert {at: lines for at, lines in rings.items() if lines} == {}


def test_consent_and_pairs_fit_every_screen_and_show_the_focus(archive: Room, new_context: NewContext) -> None:
    page = new_context().new_page()
    sign_in_anywhere(page, archive, archive.reader(consent=False))
    page.wait_for_url("**/rounds/welcome")
    found = {"welcome": faults_on_every_screen(page)}
    rings = {"welcome": faint_rings(page, 8)}
    page.context.clear_cookies()
    sign_in_anywhere(page, archive, archive.reader(Role.PRIVACY))
    page.wait_for_selector("[data-testid=stTopNavLink]")
    page.goto(f"{archive.server.url}/rounds/pairs")
    page.wait_for_selector(".judging[data-state=judging]")
    found["pairs"] = faults_on_every_screen(page)
    rings["pairs"] = faint_rings(page, 10)
    assert {at: lines for at, lines in found.items() if lines} == {}
    assert {at: lines for at, lines in rings.items() if lines} == {}
