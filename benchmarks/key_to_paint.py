"""Key press to next image painted, in a real browser: our viewer beside the obvious Streamlit page, in one run.

    python -m benchmarks.key_to_paint --presses 100 --images 100000

Each press waits for the picture of the one before it; the time runs from the `keydown` event to the first task after
the frame that shows the next image. The last column is how many of 30 presses at 50 ms end up in the database.
"""

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import func, select

from benchmarks.candidate_rows import make_project
from curation.project import Project
from curation.tables.reading import Reading
from tests.e2e.conftest import LAUNCH_ARGUMENTS, PASSWORD
from tests.review_ui.serving import ReviewServer, free_port

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


def measure_viewer(browser: Browser, project: Project, presses: int) -> tuple[list[float], int]:
    """Our viewer, signed in: times, and readings of the burst."""
    server = ReviewServer(project.root)
    server.start()
    try:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(PRESSED)
        page.goto(f"{server.url}/rounds/sign-in")
        page.fill("#name", "reader")
        page.fill("#password", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_selector(".room[data-state=reading]", timeout=60_000)
        time.sleep(2)
        page.evaluate(PROBE, "viewer")
        times = press_and_wait(page, presses)
        burst(page)
        with project.database.read() as session:
            recorded = session.scalar(select(func.count()).select_from(Reading)) or 0
        return times, recorded - presses
    finally:
        server.stop()


@contextmanager
def obvious_server(project: Project) -> Iterator[str]:
    """The obvious page in a process of its own; yields its address."""
    port = free_port()
    script = Path(__file__).with_name("obvious_page.py")
    options = ["--server.port", str(port), "--server.headless", "true", "--server.fileWatcherType", "none"]
    environment = {**os.environ, "ROUNDS_PROJECT": str(project.root), "PYTHONPATH": str(script.parents[1])}
    command = [sys.executable, "-m", "streamlit", "run", str(script), *options]
    quiet = ["--browser.gatherUsageStats", "false"]
    process = subprocess.Popen([*command, *quiet], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(15)


def measure_obvious(browser: Browser, project: Project, presses: int) -> tuple[list[float], int]:
    """`st.image` and two buttons: times, and verdicts of the burst."""
    with obvious_server(project) as url:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(PRESSED)
        page.goto(url)
        page.wait_for_selector("[data-testid=stImage] img", timeout=60_000)
        time.sleep(2)
        page.evaluate(PROBE, "image")
        times = press_and_wait(page, presses)
        burst(page)
    with sqlite3.connect(project.root / "obvious.db") as connection:
        recorded: int = connection.execute("SELECT count(*) FROM verdicts").fetchone()[0]
    return times, recorded - presses


def wait_for(url: str) -> None:
    """Poll until the server answers."""
    for _ in range(300):
        try:
            httpx.get(url, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit(f"{url} did not answer within a minute")


def row(name: str, times: list[float], recorded: int) -> str:
    """One line of the table."""
    p50, p95 = np.percentile(times, [50, 95])
    return f"| {name} | {p50:.0f} | {p95:.0f} | {max(times):.0f} | {recorded} of {BURST} |"


def main() -> None:
    """Measure both and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--presses", type=int, default=100)
    parser.add_argument("--images", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        project = make_project(Path(directory) / "bench", arguments.images, ["reader"])
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=LAUNCH_ARGUMENTS)
        before = os.getloadavg()[0]
        ours = measure_viewer(browser, project, arguments.presses)
        obvious = measure_obvious(browser, project, arguments.presses)
        browser.close()
        project.database.dispose()
    print(f"{arguments.presses} presses, {arguments.images} candidates, {os.cpu_count()} cores, ", end="")
    print(f"load {before:.1f} before and {os.getloadavg()[0]:.1f} after\n")
    print("| key to next image painted, ms | p50 | p95 | max | kept of a burst at 50 ms |")
    print("|---|---|---|---|---|")
    print(row("Rounds viewer", *ours))
    print(row("st.image and two buttons with shortcut", *obvious))


if __name__ == "__main__":
    main()
