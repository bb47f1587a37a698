"""Slows down guessing: so many failed sign-ins from one address in a while, then none until the oldest is over.

An account locks by itself after five failures; this keeps one address from trying many accounts, and from keeping the
server busy with password hashes. What a reader asks for once signed in has a pace as well, for scripts that copy.
All of it is kept in memory: each server process counts on its own.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FAILURES = 20
WINDOW = timedelta(minutes=5)
ADDRESSES = 10_000
PIXEL_PREFIXES = ("/rounds/pixels/", "/rounds/references/")


@dataclass(slots=True)
class Throttle:
    """Failed sign-ins of the last five minutes by address."""

    failures: dict[str, deque[datetime]] = field(default_factory=dict)

    def is_closed(self, address: str, now: datetime) -> bool:
        """Whether `address` has used up its failures for now."""
        recent = self.failures.get(address)
        if recent is None:
            return False
        while recent and now - recent[0] > WINDOW:
            recent.popleft()
        if not recent:
            del self.failures[address]
        return len(recent) >= FAILURES

    def failed(self, address: str, now: datetime) -> None:
        """Count one failure; past 10,000 addresses the one seen first is forgotten."""
        if address not in self.failures and len(self.failures) >= ADDRESSES:
            del self.failures[next(iter(self.failures))]
        self.failures.setdefault(address, deque()).append(now)


@dataclass(slots=True)
class Pace:
    """So many requests of one reader at once, then so many a second: a bucket that fills up again."""

    burst: int
    per_second: float
    buckets: dict[int, tuple[float, datetime]] = field(default_factory=dict)

    def wait_s(self, reader_id: int, now: datetime) -> int:
        """Take one request from the reader's bucket: 0, or the whole seconds until there is one again."""
        level, since = self.buckets.get(reader_id, (float(self.burst), now))
        level = min(self.burst, level + max(0.0, (now - since).total_seconds()) * self.per_second)
        allowed = level >= 1
        self.buckets[reader_id] = (level - allowed, now)
        return 0 if allowed else math.ceil((1 - level) / self.per_second)


@dataclass(slots=True)
class Paces:
    """What one reader may ask of one server process, many times what reading by hand can ask for.

    The viewer fetches 48 images ahead, six at a time, and sends what was pressed while the last request was under way
    in one. Nobody reads 30 images a second for long; a script that copies a worklist would.
    """

    pixels: Pace = field(default_factory=lambda: Pace(burst=600, per_second=30))
    writes: Pace = field(default_factory=lambda: Pace(burst=300, per_second=20))

    def wait_s(self, reader_id: int, is_write: bool, path: str, now: datetime) -> int:
        """0 for a request that may go on, else the seconds to wait."""
        if is_write:
            return self.writes.wait_s(reader_id, now)
        return self.pixels.wait_s(reader_id, now) if path.startswith(PIXEL_PREFIXES) else 0
