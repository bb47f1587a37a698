"""Slow down guesses of passwords, bound slow work for strangers, limit the requests of readers.

Nothing here keeps a reader out for what somebody else does: tries are counted by the pair of a name and the place they
come from, an address or a device that signed in before, and such devices have threads of their own. The limit on
requests is for scripts that copy images. Counts are in memory, per server process, and used from its event loop only.
"""

import asyncio
import hashlib
import math
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TypeVar

from curation.errors import RoundsError

FREE_TRIES = 5
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)
PAIRS_KEPT = 50_000
BUSY_S = 3
PIXEL_PREFIXES = ("/rounds/pixels/", "/rounds/references/")

Result = TypeVar("Result")


class TryLater(RoundsError):
    """Too much was asked just now; the same request may work after `retry_after_s`."""

    def __init__(self, message: str, status: int, retry_after_s: int) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


def network_of(address: str) -> str:
    """The network that one person may have whole: an IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
    return str(parsed)


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a name was tried from one place, and when last."""

    count: int
    last: datetime

    @property
    def due(self) -> datetime:
        """When the next try may be: at once after the first ones, then after a wait that doubles."""
        doublings = self.count - FREE_TRIES
        return self.last if doublings < 0 else self.last + min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(doublings, 20))


@dataclass(slots=True)
class SlowDown:
    """Tries by name and place. A name that no reader has is counted like any other."""

    pairs: dict[bytes, Tries] = field(default_factory=dict)

    def take(self, name: str, place: str, now: datetime, unlocked_at: datetime | None = None) -> datetime:
        """Count a try before its password is checked, so that tries at once cannot all be the first.

        Returns when the next one may be. Raises TryLater for one that must wait, which is not counted. Tries before
        `unlocked_at` are forgiven.
        """
        pair = _pair(name, place)
        tries = self.pairs.get(pair)
        if (
            tries is None
            or now - tries.last > FORGOTTEN_AFTER
            or (unlocked_at is not None and tries.last < unlocked_at)
        ):
            tries = Tries(0, now)
        wait_s = math.ceil((tries.due - now).total_seconds())
        if wait_s > 0:
            again = f"in {wait_s} seconds" if wait_s < 120 else f"in {math.ceil(wait_s / 60)} minutes"
            raise TryLater(f"too many wrong passwords for this name from here. Try again {again}.", 429, wait_s)
        self.pairs.pop(pair, None)
        if len(self.pairs) >= PAIRS_KEPT:
            del self.pairs[next(iter(self.pairs))]  # the one that was tried longest ago
        self.pairs[pair] = Tries(tries.count + 1, now)
        return self.pairs[pair].due

    def give_back(self, name: str, place: str) -> None:
        """Take back the count of a try whose password was not checked after all."""
        tries = self.pairs.get(_pair(name, place))
        if tries is not None:
            self.pairs[_pair(name, place)] = Tries(max(0, tries.count - 1), tries.last)

    def forget(self, name: str, place: str) -> None:
        """Forget the tries of a place where the right password was given."""
        self.pairs.pop(_pair(name, place), None)


def _pair(name: str, place: str) -> bytes:
    return hashlib.sha256(f"{place}\0{name}".encode()).digest()


class Line:
    """Threads for slow work that anybody may ask for, and a short line before them; who finds it full comes back later.

    A check of a password takes 64 MiB and several cores, a question to an identity provider up to ten seconds.
    """

    def __init__(self, threads: int, places: int, places_each: int) -> None:
        """`places` counts work that is done or waits, `places_each` that of one place (an address, a device)."""
        self.threads = ThreadPoolExecutor(threads, "line")
        self.places = places
        self.places_each = places_each
        self.taken: Counter[str] = Counter()

    async def run(self, place: str, work: Callable[[], Result]) -> Result:
        """Do the work when it is its turn; raises TryLater when the line, or the share of this place, is full."""
        if self.taken.total() >= self.places or self.taken[place] >= self.places_each:
            raise TryLater("the server is busy with other sign-ins. Try again in a moment.", 503, BUSY_S)
        self.taken[place] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, work)
        finally:
            self.taken[place] -= 1
            if not self.taken[place]:
                del self.taken[place]


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
