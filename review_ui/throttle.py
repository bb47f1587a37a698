"""Slows down guessing: so many failed sign-ins from one address in a while, then none until the oldest is over.

An account locks by itself after five failures; this keeps one address from trying many accounts, and from keeping the
server busy with password hashes. It is kept in memory: each server process counts on its own.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FAILURES = 20
WINDOW = timedelta(minutes=5)
ADDRESSES = 10_000


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
