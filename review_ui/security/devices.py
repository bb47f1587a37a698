"""Devices that signed in before: with their cookie a reader waits for no stranger.

The cookie opens nothing. It holds up to eight marks, since readers share workstations. A mark is a random number, the
time and a seal over both, the account and its password's hash: it names no one, fits one account only, and fits no more
after another password, a sign-out everywhere, or half a year without signing in. Each sign-in replaces the mark of its
account; the random number stays, so that wrong passwords from a copied cookie count with those of the device itself.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from curation.readers.sign_ins import Account

DEVICE_COOKIE = "rounds_device"
KNOWN_FOR = timedelta(days=180)
MARKS = 8


def find_device(key: bytes, cookie: str, account: Account, now: datetime) -> str | None:
    """The number of the device if its cookie has a mark of this account, else None."""
    return next((number for mark in _marks(cookie) if (number := _number(key, mark, account, now))), None)


def remember_device(key: bytes, cookie: str, account: Account, now: datetime) -> str:
    """The value of the cookie with a fresh mark of this account in place of the one before."""
    number = find_device(key, cookie, account, now) or secrets.token_urlsafe(16)
    others = [mark for mark in _marks(cookie) if not mark.startswith(f"{number}.")]
    at_ms = str(round(now.timestamp() * 1000))
    return "~".join([f"{number}.{at_ms}.{_seal(key, number, at_ms, account)}", *others[: MARKS - 1]])


def _marks(cookie: str) -> Iterator[str]:
    yield from filter(None, cookie.split("~", MARKS)[:MARKS])


def _number(key: bytes, mark: str, account: Account, now: datetime) -> str | None:
    """The number in a mark that fits the account."""
    number, _, rest = mark.partition(".")
    at_ms, _, seal = rest.partition(".")
    if not hmac.compare_digest(_seal(key, number, at_ms, account).encode(), seal.encode()) or not account.reader_id:
        return None
    at = datetime.fromtimestamp(int(at_ms) / 1000, UTC)
    is_ended = account.devices_since is not None and at < account.devices_since
    return None if is_ended or not timedelta() <= now - at <= KNOWN_FOR else number


def _seal(key: bytes, number: str, at_ms: str, account: Account) -> str:
    sealed = f"device {number} {at_ms} {account.reader_id} {account.password_hash}"
    return hmac.new(key, sealed.encode(), hashlib.sha256).hexdigest()
