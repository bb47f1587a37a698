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
  while (moving().length > 0) {
    await Promise.allSettled(moving().map((one) => one.finished));
    await frame();
    await frame();
  }
}"""


@dataclass(frozen=True)
class Excused:
    """What axe finds on elements that Streamlit renders and we cannot change."""

    rule: str
    selector: str  # a part of the element's path
    why: str


STREAMLITS_OWN: tuple[Excused, ...] = ()


def found_by_axe(page: Page) -> list[str]:
    """Serious and critical violations once every colour stands, without those of Streamlit's; one line per element."""
    page.evaluate(SETTLED_COLOURS)
    lines = []
    for violation in Axe().run(page).response["violations"]:
        if violation["impact"] not in ("serious", "critical"):
            continue
        for node in violation["nodes"]:
            path = " ".join(_flat(node["target"]))
            if not any(one.rule == violation["id"] and one.selector in path for one in STREAMLITS_OWN):
                lines.append(f"{violation['id']}: {path}: {node['html'][:160]}")
    return lines


def _flat(target: list[Any]) -> list[str]:
    """Axe gives a list for what lies in a shadow root."""
    return [part for one in target for part in (one if isinstance(one, list) else [one])]
