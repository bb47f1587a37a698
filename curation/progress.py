"""The progress of long work: the type of its callback, and the line a minute where nobody watches."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[int, int, str | None], None]
Clock: TypeAlias = Callable[[], float]

LINE_EVERY_S = 60.0
UNITS = (("a second", 1.0), ("a minute", 60.0), ("an hour", 3_600.0))


def silent(done: int, total: int, note: str | None) -> None:
    """Ignore progress: the callback for callers that show none."""


def within_step(report: OnProgress, done: int, total: int, note: str | None) -> OnProgress:
    """The callback for the inside of one step: it reports the step again, so that a long step can be cancelled.

    Its note says how far the inside is.
    """

    def report_step(inner_done: int, inner_total: int, inner_note: str | None) -> None:
        inside = f"{inner_done:,} of {inner_total:,}" if inner_total else None
        report(done, total, ", ".join(part for part in (note, inside, inner_note) if part) or None)

    return report_step


class ProgressLines:
    """Say in a line a minute how far long work is: step, note (the loss), rate, time left.

    Rate and time left are of the part under way: a new part begins when the total changes or the count falls. What an
    earlier call has done does not count for the rate.
    """

    def __init__(
        self,
        description: str,
        say: Callable[[str], None],
        clock: Clock = time.monotonic,
        every_s: float = LINE_EVERY_S,
    ) -> None:
        self.description, self.say, self.clock, self.every_s = description, say, clock, every_s
        self.started = self.spoken_at = clock()
        self.lines = 0
        self._lock = threading.Lock()
        self._now: tuple[int, int, str | None] | None = None
        self._part_began = (self.started, 0)
        self._parts = 0

    def report(self, done: int, total: int, note: str | None = None) -> None:
        """Take note of the progress; say a line when one is due."""
        with self._lock:
            if self._now is None or total != self._now[1] or done < self._now[0]:
                self._part_began = (self.clock(), done)
                self._parts += 1
            self._now = (done, total, note)
        self.say_if_due()

    def say_if_due(self) -> None:
        """Say a line when the last one is a minute old, also while the work reports nothing."""
        with self._lock:
            now = self.clock()
            if now - self.spoken_at < self.every_s:
                return
            self.spoken_at = now
            self.lines += 1
            line = self._line(now)
        self.say(line)

    def say_end(self) -> None:
        """Say how long it took, and how much was done in work of one part; nothing where nothing was reported."""
        if self._now is not None:
            done, took = self._now[0], duration_words(self.clock() - self.started)
            count = f"{done:,} " if done and self._parts == 1 else ""
            self.say(f"{self.description}: {count}done in {took}")

    def _line(self, now: float) -> str:
        if self._now is None:
            return f"{self.description}: under way for {duration_words(now - self.started)}"
        done, total, note = self._now
        began, before = self._part_began
        count = f"{done:,} of {total:,}" if total else f"{done:,}" if done else None
        parts = [part for part in (count, note) if part]
        if done > before and now > began:
            rate = (done - before) / (now - began)
            parts.append(rate_words(rate))
            parts += [f"about {duration_words((total - done) / rate)} to {total:,}"] if total > done else []
        else:
            parts.append(f"at this step for {duration_words(now - began)}")
        return f"{self.description}: {', '.join(parts)}"

    @contextmanager
    def spoken(self) -> Iterator[OnProgress]:
        """Yield `report`; a thread says lines while the work is silent."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(self.every_s / 12):
                self.say_if_due()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield self.report
        finally:
            over.set()
            thread.join()


def rate_words(per_second: float) -> str:
    """Give a rate in the unit in which it is one or more: `3.4 a second`, `2.5 a minute`."""
    unit, seconds = next(((unit, seconds) for unit, seconds in UNITS if per_second * seconds >= 1), UNITS[-1])
    return f"{per_second * seconds:.3g} {unit}"


def duration_words(seconds: float) -> str:
    """Give a duration in its two largest units: `45 s`, `12 min`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
