"""Axe on a page whose animations have ended: a colour on its way to another is neither."""

from dataclasses import dataclass
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# Those that never end, as what turns while a page loads, are not waited for. One that ends may begin another.
SETTLED_COLOURS = """async () => {
  const roots = () => [document, ...[...document.querySelectorAll("*")].map((node) => node.shadowRoot).filter(Boolean)];
  const moving = () => roots().flatMap((root) => root.getAnimations())
    .filter((one) => one.playState === "running" && one.effect.getComputedTiming().endTime !== Infinity);
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  await frame();
  while (moving().length > 0 || document.querySelector("[data-stale=true]")) {
    await Promise.allSettled(moving().map((one) => one.finished));
    await frame();
    await frame();
  }
}"""

# Streamlit runs a page's script again at any time, and shows what it will replace paler.
WATCH_FOR_CHANGES = """() => {
  window.changedUnderAxe = false;
  const watch = new MutationObserver(() => { window.changedUnderAxe = true; });
  const attributeFilter = ["class", "disabled", "data-stale", "data-test-script-state"];
  watch.observe(document, { subtree: true, attributes: true, attributeFilter });
}"""
LOOKS = 5


@dataclass(frozen=True)
class Excused:
    """What axe finds on elements that Streamlit renders and we cannot change."""

    rule: str
    selector: str  # a part of the element's path
    why: str


STREAMLITS_OWN: tuple[Excused, ...] = ()


def found_by_axe(page: Page) -> list[str]:
    """Serious and critical violations once every colour stands, without those of Streamlit's; one line per element."""
    lines = []
    for violation in _look_while_still(page):
        if violation["impact"] not in ("serious", "critical"):
            continue
        for node in violation["nodes"]:
            path = " ".join(_flat(node["target"]))
            if not any(one.rule == violation["id"] and one.selector in path for one in STREAMLITS_OWN):
                lines.append(f"{violation['id']}: {path}: {node['html'][:160]}")
    return lines


def _look_while_still(page: Page) -> list[dict[str, Any]]:
    """Every violation on a page that did not change while axe looked at it; looks again where it did."""
    for _ in range(LOOKS):
        page.evaluate(SETTLED_COLOURS)
        page.evaluate(WATCH_FOR_CHANGES)
        violations: list[dict[str, Any]] = Axe().run(page).response["violations"]
        if not violations or not page.evaluate("window.changedUnderAxe"):
            return violations
    raise AssertionError(f"the page changed under each of {LOOKS} looks of axe")


def _flat(target: list[Any]) -> list[str]:
    """Axe gives a list for what lies in a shadow root."""
    return [part for one in target for part in (one if isinstance(one, list) else [one])]
