"""From the submitted sign-in to the first image painted, in a fresh browser profile, beside the obvious Streamlit page.

    python -m benchmarks.first_image --count 10 --images 100000

Ours runs from the `submit` event of the sign-in form: the password hash, Streamlit's page, the viewer, a claim and the
pixels. The obvious page has no sign-in: its time runs from the start of the navigation to its picture. Both in a real
browser with an empty cache each time.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from benchmarks.candidate_rows import make_project
from benchmarks.key_to_paint import obvious_server
from curation.project import Project
from tests.e2e.conftest import LAUNCH_ARGUMENTS, PASSWORD
from tests.review_ui.serving import ReviewServer

# Looks once a frame; the time is taken in the first task after the frame that shows the image.
WATCH = """
  window.paintedAt = null;
  window.addEventListener("submit", () => sessionStorage.setItem("submitted", Date.now()), true);
  const isShown = () => {
    if (document.querySelector("[data-testid=stImage] img")?.complete) return true;
    const host = [...document.querySelectorAll("*")].find((node) => node.shadowRoot?.querySelector(".room"));
    return Boolean(host?.shadowRoot.querySelector(".room").dataset.shown);
  };
  const look = () => {
    if (!isShown()) return requestAnimationFrame(look);
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => { window.paintedAt = Date.now(); };
      channel.port2.postMessage(0);
    });
  };
  requestAnimationFrame(look);
"""
SINCE = "window.paintedAt - Number(sessionStorage.getItem('submitted') ?? performance.timeOrigin)"


def open_once(browser: Browser, url: str, name: str | None) -> float:
    """Milliseconds to the first image, signing in as `name` if there is one."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(url)
    if name is not None:
        page.fill("#name", name)
        page.fill("#password", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url(lambda there: "sign-in" not in there, timeout=60_000)
    page.wait_for_function("() => window.paintedAt !== null", timeout=60_000)
    elapsed: float = page.evaluate(SINCE)
    context.close()
    return elapsed


def measure_viewer(browser: Browser, project: Project, count: int) -> list[float]:
    """Our page; the first opening after the start of the server is left out, as for the other."""
    server = ReviewServer(project.root)
    server.start()
    try:
        return [open_once(browser, f"{server.url}/rounds/sign-in", "reader") for _ in range(count + 1)][1:]
    finally:
        server.stop()


def measure_obvious(browser: Browser, project: Project, count: int) -> list[float]:
    """`st.image` and two buttons."""
    with obvious_server(project) as url:
        return [open_once(browser, url, None) for _ in range(count + 1)][1:]


def main() -> None:
    """Measure both and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--images", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        project = make_project(Path(directory) / "bench", arguments.images, ["reader"])
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=LAUNCH_ARGUMENTS)
        before = os.getloadavg()[0]
        ours = measure_viewer(browser, project, arguments.count)
        obvious = measure_obvious(browser, project, arguments.count)
        browser.close()
        project.database.dispose()
    print(f"{arguments.count} fresh profiles, {arguments.images:,} candidates, {os.cpu_count()} cores, ", end="")
    print(f"load {before:.1f} before and {os.getloadavg()[0]:.1f} after\n")
    print("| to the first image painted, ms | p50 | p95 | max |")
    print("|---|---|---|---|")
    for name, times in (
        ("Rounds, from the submitted sign-in", ours),
        ("st.image, no sign-in, from navigation", obvious),
    ):
        p50, p95 = np.percentile(times, [50, 95])
        print(f"| {name} | {p50:.0f} | {p95:.0f} | {max(times):.0f} |")
    print(f"\nratio of medians, Rounds / obvious: {np.median(ours) / np.median(obvious):.2f}")


if __name__ == "__main__":
    main()
