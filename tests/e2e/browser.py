"""Chromium for the tests: which one, how it is started, and profiles that are used again."""

import shutil
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page

from tests.memory import memory_root

LAUNCH_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WAIT_MS = 120_000
WIDTH, HEIGHT = 1440, 900
STORED = "local_storage,indexeddb,cache_storage,service_workers"


def find_chromium() -> str | None:
    """The system's Chromium: its headless shell, which has no windows to draw, before the whole browser."""
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")


def unwanted_arguments() -> list[str]:
    """What playwright passes and a machine with room in /dev/shm does better without."""
    return ["--disable-dev-shm-usage"] if memory_root() is not None else []


class Profiles:
    """Browser profiles whose downloads are kept from one test to the next; all that a site stored is not.

    A page of Streamlit loads 60 scripts of 3 MB. In a profile that was never used that costs a second of both the
    browser and the server.
    """

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self._kept: list[BrowserContext] = []
        self._origins: set[str] = set()
        self._taken = 0

    def take(self) -> BrowserContext:
        """A profile that no other holder has; `give_back` ends that."""
        if self._taken == len(self._kept):
            context = new_profile(self.browser, WIDTH, HEIGHT)
            context.on("page", self._watch)
            self._kept.append(context)
        self._taken += 1
        return self._kept[self._taken - 1]

    def give_back(self) -> None:
        """Close the pages of every taken profile and remove cookies and what sites stored in it."""
        for context in self._kept[: self._taken]:
            for page in context.pages:
                page.close()
            context.set_offline(False)
            context.clear_cookies()
            page = context.new_page()
            devtools = context.new_cdp_session(page)
            for origin in self._origins:
                devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": STORED})
            page.close()
        self._taken = 0

    def _watch(self, page: Page) -> None:
        page.on("framenavigated", lambda frame: self._note(frame.url))

    def _note(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.netloc:
            self._origins.add(f"{parts.scheme}://{parts.netloc}")


def new_profile(browser: Browser, width: int, height: int) -> BrowserContext:
    """A profile that was never used, with a window of this size in CSS pixels."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(WAIT_MS)
    return context
