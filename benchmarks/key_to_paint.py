"""Key press to next image painted: our viewer beside the obvious Streamlit page, in one run.

    python -m benchmarks.key_to_paint --presses 100 --images 100000 --width 3840 --height 2160

Each press waits for the picture of the one before it; the time runs from the `keydown` event to the first task after
the frame that shows the next image. The last column is how many of 30 presses at 50 ms end up in the database.
"""

import sqlite3
import time

import numpy as np
from playwright.sync_api import Browser, Page, ViewportSize
from sqlalchemy import func, select

from benchmarks.browser import bench, our_server, parse_arguments, sign_in, streamlit_server
from curation.project import Project
from curation.tables.reading import Reading

BURST = 30
BURST_INTERVAL_S = 0.05

# Installed before the page's own scripts: the viewer stops its keys from going further.
PRESSED = "window.pressed = null; window.addEventListener('keydown', () => { pressed = performance.now(); }, true);"

# Times each key press until the task after the frame in which what is watched has changed.
PROBE = """
(watch) => {
  window.times = [];
  const note = () => {
    if (window.pressed !== null) window.times.push(performance.now() - window.pressed);
    window.pressed = null;
  };
  const painted = () => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = note;
    channel.port2.postMessage(0);
  });
  if (watch === "viewer") {
    const hosts = [...document.querySelectorAll("*")].filter((node) => node.shadowRoot?.querySelector(".room"));
    const room = hosts[0].shadowRoot.querySelector(".room");
    new MutationObserver(painted).observe(room, { attributes: true, attributeFilter: ["data-shown"] });
  } else {
    const shown = (image) => image.complete ? painted() : image.addEventListener("load", painted, { once: true });
    new MutationObserver((changes) => {
      for (const change of changes) {
        if (change.type === "attributes" && change.target.tagName === "IMG") shown(change.target);
        for (const node of change.addedNodes ?? [])
          for (const image of node.tagName === "IMG" ? [node] : node.querySelectorAll?.("img") ?? []) shown(image);
      }
    }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["src"] });
  }
}
"""


def press_and_wait(page: Page, presses: int) -> list[float]:
    """One press at a time; returns milliseconds from key to paint."""
    for number in range(presses):
        page.keyboard.press("a")
        page.wait_for_function("count => window.times.length >= count", arg=number + 1, timeout=20_000)
        time.sleep(0.1)
    times: list[float] = page.evaluate("window.times")
    return times


def burst(page: Page) -> None:
    """Thirty presses at 50 ms, whatever the page does meanwhile."""
    start = time.monotonic()
    for number in range(BURST):
        page.keyboard.press("a")
        time.sleep(max(0.0, start + BURST_INTERVAL_S * (number + 1) - time.monotonic()))
    time.sleep(4)


def open_page(browser: Browser, url: str, window: ViewportSize) -> Page:
    """A page in a window of this size that notes when a key is pressed."""
    page = browser.new_page(viewport=window)
    page.add_init_script(PRESSED)
    page.goto(url)
    return page


def measure_page(page: Page, image: str, watch: str, presses: int) -> list[float]:
    """Wait for the image, press one key after another, then a burst; returns the times before the burst."""
    page.wait_for_selector(image, timeout=60_000)
    time.sleep(2)
    page.evaluate(PROBE, watch)
    times = press_and_wait(page, presses)
    burst(page)
    return times


def measure_viewer(browser: Browser, project: Project, presses: int, window: ViewportSize) -> tuple[list[float], int]:
    """Our viewer, signed in: times, and readings of the burst."""
    with our_server(project) as url:
        page = open_page(browser, f"{url}/rounds/sign-in", window)
        sign_in(page)
        times = measure_page(page, ".room[data-state=reading]", "viewer", presses)
    with project.database.read() as session:
        recorded = session.scalar(select(func.count()).select_from(Reading)) or 0
    return times, recorded - presses


def measure_obvious(browser: Browser, project: Project, presses: int, window: ViewportSize) -> tuple[list[float], int]:
    """`st.image` and two buttons: times, and verdicts of the burst."""
    with streamlit_server(project, "obvious_page.py") as url:
        times = measure_page(open_page(browser, url, window), "[data-testid=stImage] img", "image", presses)
    with sqlite3.connect(project.root / "obvious.db") as connection:
        recorded: int = connection.execute("SELECT count(*) FROM verdicts").fetchone()[0]
    return times, recorded - presses


def row(name: str, times: list[float], recorded: int) -> str:
    """One line of the table."""
    p50, p95 = np.percentile(times, [50, 95])
    return f"| {name} | {p50:.0f} | {p95:.0f} | {max(times):.0f} | {recorded} of {BURST} |"


def main() -> None:
    """Measure both and print a Markdown table."""
    arguments = parse_arguments(__doc__, presses=100, images=100_000, width=1440, height=900)
    window: ViewportSize = {"width": arguments.width, "height": arguments.height}
    with bench(arguments.images) as (browser, project):
        ours = measure_viewer(browser, project, arguments.presses, window)
        obvious = measure_obvious(browser, project, arguments.presses, window)
    what = f"key to next image painted, {arguments.presses} presses, {arguments.width} x {arguments.height}, ms"
    print(f"| {what} | p50 | p95 | max | kept of a burst at 50 ms |")
    print("|---|---|---|---|---|")
    print(row("Rounds viewer", *ours))
    print(row("st.image and two buttons with shortcut", *obvious))


if __name__ == "__main__":
    main()
