"""Limit failed sign-ins by address, and the requests of a signed-in reader.

An account locks after five failures; this keeps one address from trying many accounts, and from keeping the server busy
with password hashes. The limit on requests is for scripts that copy images. Counts are in memory, per server process.
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
        """Whether `address` has used up its failures."""
        recent = self.failures.get(address)
        if recent is None:
            return False
        while recent and now - recent[0] > WINDOW:
            recent.popleft()
        if not recent:
            del self.failures[address]
        return len(recent) >= FAILURES

    def failed(self, address: str, now: datetime) -> None:
        """Count a failure; beyond 10,000 addresses the oldest is forgotten."""
        if address not in self.failures and len(self.failures) >= ADDRESSES:
            del self.failures[next(iter(self.failures))]
        self.failures.setdefault(address, deque()).append(now)


@dataclass(slots=True)
class Pace:
    """A token bucket for each reader: `burst` requests at once, then `per_second`."""

    burst: int
    per_second: float
    buckets: dict[int, tuple[float, datetime]] = field(default_factory=dict)

    def wait_s(self, reader_id: int, now: datetime) -> int:
        """Take a request from the bucket of a reader; return 0, or the whole seconds to wait."""
        level, since = self.buckets.get(reader_id, (float(self.burst), now))
        level = min(self.burst, level + max(0.0, (now - since).total_seconds()) * self.per_second)
        allowed = level >= 1
        self.buckets[reader_id] = (level - allowed, now)
        return 0 if allowed else math.ceil((1 - level) / self.per_second)


@dataclass(slots=True)
class Paces:
    """The limits of one reader in one server process, far above what reading by hand needs.

    The viewer fetches 48 images ahead, six at a time, and sends the keys pressed during a request in the next one.
    Nobody reads 30 images a second for long, but a script that copies a worklist would.
    """

    pixels: Pace = field(default_factory=lambda: Pace(burst=600, per_second=30))
    writes: Pace = field(default_factory=lambda: Pace(burst=300, per_second=20))

    def wait_s(self, reader_id: int, is_write: bool, path: str, now: datetime) -> int:
        """Return 0 for a request that may pass, else the seconds to wait."""
        if is_write:
            return self.writes.wait_s(reader_id, now)
        return self.pixels.wait_s(reader_id, now) if path.startswith(PIXEL_PREFIXES) else 0
