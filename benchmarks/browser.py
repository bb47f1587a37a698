"""What the browser benchmarks share: a project, a Chromium, our server and the obvious page's server."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.candidate_rows import make_project
from curation.project import Project
from tests.e2e.browser import LAUNCH_ARGUMENTS
from tests.e2e.conftest import PASSWORD
from tests.review_ui.serving import ReviewServer, free_port


def parse_arguments(description: str | None, **defaults: int) -> argparse.Namespace:
    """Read whole-number options, named as the keywords."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


@contextmanager
def bench(images: int) -> Iterator[tuple[Browser, Project]]:
    """A Chromium and a project of `images` candidates with one reader; prints the load before and after."""
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        project = make_project(Path(directory) / "bench", images, ["reader"])
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=LAUNCH_ARGUMENTS)
        before = os.getloadavg()[0]
        yield browser, project
        browser.close()
        project.database.dispose()
    cores = os.cpu_count()
    print(f"{images:,} candidates, {cores} cores, load {before:.1f} before and {os.getloadavg()[0]:.1f} after\n")


@contextmanager
def our_server(project: Project) -> Iterator[str]:
    """`rounds review` over the project; yields its address."""
    server = ReviewServer(project.root)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def streamlit_server(project: Project, script_name: str, **environment: str) -> Iterator[str]:
    """A plain Streamlit page beside this file, in a process of its own; yields its address."""
    port = free_port()
    script = Path(__file__).with_name(script_name)
    options = ["--server.port", str(port), "--server.headless", "true", "--server.fileWatcherType", "none"]
    command = [sys.executable, "-m", "streamlit", "run", str(script), *options, "--browser.gatherUsageStats", "false"]
    variables = {"ROUNDS_PROJECT": str(project.root), "PYTHONPATH": str(script.parents[1]), **environment}
    process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(15)


def sign_in(page: Page) -> None:
    """Fill in the sign-in form that is on the page, and submit it."""
    page.fill("#name", "reader")
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")


def _wait_for(url: str) -> None:
    """Poll until the server answers."""
    for _ in range(300):
        try:
            httpx.get(url, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit(f"{url} did not answer within a minute")
