"""A page of images beside the obvious Streamlit page, with the same images in one browser.

    python -m benchmarks.grid --pages 10 --size 24

Toggle: from the click on an image (there: on its checkbox) to the first task after the frame in which the mark is seen,
there also the count of marked images that the fragment writes. Next page: from the click on submit to the first task
after the frame in which the next page is painted and every image of it is loaded. 64 distinct pictures are reused, so
the obvious page gets some of them from the browser's cache; ours asks the server for each.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from playwright.sync_api import Browser, Page

from benchmarks.browser import bench, our_server, parse_arguments, sign_in, streamlit_server
from curation.project import Project

TOGGLES = 3  # on each page
REST_S = 0.6

# `seen()` is asked in each frame; the answer counts from the task after the frame that was painted with it.
TIMED = """
async ([target, seen]) => {
  const deep = (selector) => {
    const found = document.querySelector(selector);
    if (found) return found;
    for (const node of document.querySelectorAll("*")) {
      const inside = node.shadowRoot?.querySelector(selector);
      if (inside) return inside;
    }
    return null;
  };
  const isSeen = new Function("deep", `return (${seen})`);
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const task = () => new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = resolve;
    channel.port2.postMessage(0);
  });
  const start = performance.now();
  deep(target).click();
  while (!isSeen(deep)) {
    await frame();
    if (performance.now() - start > 20000) throw new Error(`not seen: ${seen}`);
  }
  await frame();
  await task();
  return performance.now() - start;
}
"""

TILES = "deep('.tiles').children"
SHOWN_COUNT = "deep('.said')?.textContent"
# Old elements stay until new ones replace them: so every image there must be here.
LOADED = (
    "[...document.querySelectorAll('[data-testid=stImage] img')].every((image) => image.complete && image.naturalWidth)"
)


@dataclass
class Times:
    """Milliseconds of one page kind."""

    toggle: list[float] = field(default_factory=list)
    turn: list[float] = field(default_factory=list)

    def take(
        self, page: Page, pages: int, toggle: Callable[[int, int], list[str]], turn: Callable[[int], list[str]]
    ) -> None:
        """Mark three images on each page, then give it."""
        for number in range(pages):
            for place in range(TOGGLES):
                self.toggle.append(page.evaluate(TIMED, toggle(number, place)))
                time.sleep(0.1)
            time.sleep(REST_S)
            self.turn.append(page.evaluate(TIMED, turn(number)))
            time.sleep(REST_S)


def measure_ours(browser: Browser, project: Project, pages: int, size: int) -> Times:
    """Our pages, signed in."""
    times = Times()
    with our_server(project) as url:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{url}/rounds/sign-in")
        page.evaluate("size => localStorage.setItem('rounds-page-size', size)", str(size))
        sign_in(page)
        page.wait_for_selector(".room[data-state=reading]", timeout=60_000)
        page.keyboard.press("g")
        page.wait_for_selector(".tile", timeout=60_000)
        time.sleep(2)
        room = page.locator(".room")

        def next_page(_: int) -> list[str]:
            """The id of the page is written after all of its tiles are painted."""
            shown = room.get_attribute("data-page")
            return ["[data-page=submit]", f"!['', '{shown}'].includes(deep('.room').dataset.page)"]

        times.take(
            page,
            pages,
            lambda _, place: [f"#tile-{place}", f"{TILES}[{place}].ariaSelected === 'true'"],
            next_page,
        )
    return times


def measure_obvious(browser: Browser, project: Project, pages: int, size: int) -> Times:
    """Columns of `st.image` and `st.checkbox` in a fragment."""
    times = Times()
    with streamlit_server(project, "obvious_grid.py", ROUNDS_PAGE_SIZE=str(size)) as url:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(url)
        page.wait_for_function(f"document.querySelectorAll('[data-testid=stImage] img').length === {size}")
        time.sleep(2)
        times.take(
            page,
            pages,
            lambda number, place: [
                f".st-key-{number}-{place} input",
                f"{SHOWN_COUNT} === 'page {number}, {place + 1} marked'",
            ],
            lambda number: [
                "[data-testid=stButton] button",
                f"{SHOWN_COUNT} === 'page {number + 1}, 0 marked' && {LOADED}"
                f" && document.querySelector('.st-key-{number + 1}-{size - 1}')",
            ],
        )
    return times


def row(name: str, times: Times) -> str:
    """One line of the table."""
    cells = [f"{np.percentile(values, share):.0f}" for values in (times.toggle, times.turn) for share in (50, 95)]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Measure both and print a Markdown table."""
    arguments = parse_arguments(__doc__, pages=10, size=24)
    with bench((arguments.pages + 4) * arguments.size) as (browser, project):
        ours = measure_ours(browser, project, arguments.pages, arguments.size)
        obvious = measure_obvious(browser, project, arguments.pages, arguments.size)
    print(
        f"| {arguments.pages} pages of {arguments.size}, ms | toggle p50 | toggle p95 | next page p50 | next page p95 |"
    )
    print("|---|---|---|---|---|")
    print(row("Rounds pages", ours))
    print(row("st.image and st.checkbox in a fragment", obvious))


if __name__ == "__main__":
    main()
