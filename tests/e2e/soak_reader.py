"""A reader of the soak: a browser that may be killed, and a journal of what was pressed.

The journal is the test's: before each press it notes what the canvas shows, read off the pixels, and in the page a
listener in front of the viewer's notes it again at the key press itself. Answers of the server are noted beside the
viewer, from the same bytes.
"""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page, Playwright
from playwright.async_api import Error as PlaywrightError

from tests.e2e.browser import LAUNCH_ARGUMENTS, find_chromium
from tests.e2e.cable import Cable
from tests.e2e.conftest import PASSWORD
from tests.e2e.marked_pictures import PAINTED_NUMBER

KEYS = {"a": 0.55, "x": 0.17, "s": 0.1, "1": 0.05, "2": 0.05, "3": 0.04, "u": 0.04}
STALL_S = 150.0

WATCH = f"""
  window.paintedNumber = {PAINTED_NUMBER};
  window.soakLook = () => {{
    const host = [...document.querySelectorAll("*")].find((node) => node.shadowRoot?.querySelector(".room"));
    const room = host?.shadowRoot.querySelector(".room");
    if (!room) return null;
    const saved = room.querySelector("[data-slot=saved]").dataset.saved ?? "";
    const refused = room.querySelector("[data-slot=refused]");
    return {{
      state: room.dataset.state, key: room.dataset.shown ?? "", number: window.paintedNumber(), saved,
      refused: refused.hidden ? "" : refused.textContent.trim(),
      blank: room.querySelector("[data-slot=blank]").textContent.trim(),
    }};
  }};
  window.addEventListener("keydown", () => {{ window.seenAtPress = window.soakLook(); }}, true);
  const genuine = window.fetch;
  window.fetch = async (...given) => {{
    const response = await genuine(...given);
    if (String(given[0]).endsWith("/rounds/api/readings") && response.ok) {{
      const sent = JSON.parse(given[1].body).operations;
      response.clone().json().then((answer) => window.noteAnswer(sent, answer.results), () => {{}});
    }}
    return response;
  }};
"""

KEPT_IN_THE_OUTBOX = """
() => new Promise((resolve, reject) => {
  const request = indexedDB.open("rounds-outbox");
  request.onerror = () => reject(request.error);
  request.onsuccess = () => {
    const all = request.result.transaction("operations").objectStore("operations").getAll();
    all.onsuccess = () => { request.result.close(); resolve(all.result); };
    all.onerror = () => reject(all.error);
  };
})
"""


@dataclass
class Press:
    """One key press with what was on the screen at that moment; `u` belongs to the image it brings back."""

    key: str
    assignment: str
    number: int | None
    life: int
    at: float
    shown_as_saved: bool = False


@dataclass
class SoakReader:
    """One reader at work through a cable; `lives` counts how often the browser was opened."""

    playwright: Playwright
    name: str
    cable: Cable
    profile: Path
    rng: random.Random
    presses: list[Press] = field(default_factory=list)
    acknowledged: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    ended_at: dict[int, float] = field(default_factory=dict)
    lives: int = 0
    context: BrowserContext | None = None
    page: Page | None = None

    @property
    def verdicts(self) -> int:
        """Verdicts pressed so far."""
        return sum(press.key != "u" for press in self.presses)

    async def read(self, count: int) -> None:
        """Press until `count` verdicts are given, whatever happens to browser, server and network meanwhile."""
        progressed, trouble = time.monotonic(), "nothing yet"
        while self.verdicts < count:
            before = len(self.presses)
            try:
                if self.page is None:
                    await self._open()
                trouble = await self._press() or trouble
            except PlaywrightError as error:
                trouble = str(error)
                await asyncio.sleep(0.2)
            if len(self.presses) > before:
                progressed = time.monotonic()
            assert time.monotonic() - progressed < STALL_S, f"{self.name} got no further: {trouble}"

    async def finish(self) -> list[dict[str, Any]]:
        """Wait until the page says that everything is saved; returns what its outbox still holds."""
        deadline = time.monotonic() + STALL_S
        while True:
            with suppress(PlaywrightError):
                if self.page is None:
                    await self._open()
                look = await self._look()
                if look and look["saved"] == "saved" and self.page is not None:
                    kept: list[dict[str, Any]] = await self.page.evaluate(KEPT_IN_THE_OUTBOX)
                    return kept
            assert time.monotonic() < deadline, f"{self.name}: not everything was saved at the end"
            await asyncio.sleep(0.2)

    async def _open(self) -> None:
        """Open the browser on the same profile and sign in; the cookie of the session went with the browser."""
        if self.context is None:
            self.context = await self.playwright.chromium.launch_persistent_context(
                self.profile,
                executable_path=find_chromium(),
                args=LAUNCH_ARGUMENTS,
                viewport={"width": 900, "height": 640},
                handle_sigint=False,
            )
            self.context.set_default_timeout(20_000)
            await self.context.expose_binding("noteAnswer", self._note_answer)
            await self.context.add_init_script(WATCH)
        self.lives += 1
        page = await self.context.new_page()
        self.page = page
        await self._sign_in(page)

    async def _sign_in(self, page: Page) -> None:
        deadline = time.monotonic() + STALL_S
        while self.page is page and time.monotonic() < deadline:
            try:
                await page.goto(f"{self.cable.url}/")
                if "/rounds/sign-in" in page.url:
                    await page.fill("#name", self.name)
                    await page.fill("#password", PASSWORD)
                    await page.click("button[type=submit]")
                await page.wait_for_selector(".room")
                return
            except PlaywrightError:
                await asyncio.sleep(0.3)

    async def _press(self) -> str | None:
        """One press on what is shown; returns what kept it from pressing, if anything."""
        look = await self._look()
        page = self.page
        if look is None or page is None:
            await asyncio.sleep(0.1)
            return "no viewer on the page"
        if look["state"] != "reading" or not look["key"]:
            await asyncio.sleep(0.05)
            return f"{look['state']}: {look['blank']}"
        (key,) = self.rng.choices(list(KEYS), list(KEYS.values()))
        back = self._to_take_back() if key == "u" else None
        if key == "u" and back is None:
            key = "a"
        shown = back or look["key"]
        press = Press(key, shown, None if back else look["number"], self.lives, time.monotonic())
        self.presses.append(press)
        await page.keyboard.press(key)
        seen = await page.evaluate("window.seenAtPress")
        if seen is None or seen["state"] != "reading":  # the viewer was made anew between the look and the press
            self.presses.remove(press)
        elif key != "u":
            press.assignment, press.number = seen["key"], seen["number"]
        await asyncio.sleep(self.rng.uniform(0.03, 0.3))
        return None

    def _to_take_back(self) -> str | None:
        """The assignment that undo would bring back: what a tab remembers ends with it."""
        stack: list[str] = []
        for press in self.presses:
            if press.life == self.lives:
                if press.key == "u":
                    stack.pop()
                else:
                    stack.append(press.assignment)
        return stack[-1] if stack else None

    async def _look(self) -> dict[str, Any] | None:
        if self.page is None:
            return None
        look: dict[str, Any] | None = await self.page.evaluate("window.soakLook?.() ?? null")
        if look and look["saved"] == "saved":
            for press in reversed(self.presses):
                if press.life != self.lives or press.shown_as_saved:
                    break
                press.shown_as_saved = True
        return look

    def _note_answer(self, _: object, sent: list[dict[str, Any]], results: list[dict[str, Any]]) -> None:
        operations = {operation["op_id"]: operation for operation in sent}
        for result in results:
            operation = operations[result["op_id"]]
            if result["state"] == "saved":
                self.acknowledged[result["op_id"]] = (operation["kind"], operation["body"])
            else:
                self.refused.append(result.get("error", ""))

    async def kill_browser(self) -> None:
        """End the browser's process without a chance to tidy up."""
        context, life = self.context, self.lives
        if context is None:
            return
        for process in processes_with(f"--user-data-dir={self.profile}"):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.ended_at[life] = time.monotonic()
        self.context = self.page = None
        with suppress(PlaywrightError, TimeoutError):
            await asyncio.wait_for(context.close(), 10)

    async def close_tab(self) -> None:
        """Close the page in the middle of whatever it does; the browser stays."""
        page, life = self.page, self.lives
        if page is None:
            return
        self.ended_at[life] = time.monotonic()
        self.page = None
        with suppress(PlaywrightError):
            await page.close()

    async def leave(self) -> None:
        """Close the browser in good order."""
        if self.context is not None:
            await self.context.close()


def processes_with(argument: str) -> list[int]:
    """Processes that were started with exactly this argument (Linux)."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with suppress(OSError):
                if argument.encode() in (directory / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(directory.name))
    return found
