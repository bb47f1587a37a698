"""Which role may use which route: a table that the guard checks for every request before a route runs.

A route that is not in the table is refused, and a test compares the table with the routes. To add a route, add its
`Route` in routes/table.py and its line here.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from re import Pattern

from starlette.convertors import IntegerConvertor
from starlette.routing import compile_path

from curation.errors import NotAllowed
from review_ui.security.permissions import Capability
from review_ui.security.sessions import SignedInReader

ROW_ID_DIGITS = 18  # a longer number does not fit a 64-bit key
STREAM_PATH = "/_stcore/stream"


class Who(StrEnum):
    """How far somebody must have signed in for a route, before their role counts."""

    EVERYBODY = "everybody"
    FIRST_PASSWORD = "first password"  # signed in, and perhaps yet to choose a password of their own
    READER = "reader"


@dataclass(frozen=True, slots=True)
class Need:
    """What a route requires: any one of several capabilities, or, without any, every role."""

    who: Who = Who.READER
    any_of: frozenset[Capability] = frozenset()

    def refuses(self, reader: SignedInReader) -> bool:
        """Whether the role of this reader may not use the route."""
        return bool(self.any_of) and not any(reader.can(capability) for capability in self.any_of)


def require_any(*capabilities: Capability) -> Need:
    """Require any one of these capabilities."""
    return Need(any_of=frozenset(capabilities))


EVERYBODY = Need(Who.EVERYBODY)
FIRST_PASSWORD = Need(Who.FIRST_PASSWORD)
EVERY_READER = Need()
READ = require_any(Capability.READ)
SEES_IMAGES = require_any(Capability.SEE_RESULTS, Capability.MANAGE, Capability.SEE_NEIGHBOURS)

# (method, path as in its Route): the first matching line counts. HEAD counts as GET.
ACCESS: dict[tuple[str, str], Need] = {
    ("GET", "/rounds/health"): EVERYBODY,
    ("GET", "/rounds/static/rounds.css"): EVERYBODY,
    ("GET", "/rounds/static/icon.svg"): EVERYBODY,
    ("GET", "/rounds/static/theme.js"): EVERYBODY,
    ("GET", "/rounds/static/{name}"): FIRST_PASSWORD,
    ("GET", "/rounds/sign-in"): EVERYBODY,
    ("POST", "/rounds/sign-in"): EVERYBODY,
    ("GET", "/rounds/oidc/sign-in"): EVERYBODY,
    ("GET", "/rounds/oidc/callback"): EVERYBODY,
    ("GET", "/rounds/account"): FIRST_PASSWORD,
    ("POST", "/rounds/api/password"): FIRST_PASSWORD,
    ("POST", "/rounds/api/sign-out"): FIRST_PASSWORD,
    ("POST", "/rounds/api/sign-out-everywhere"): FIRST_PASSWORD,
    ("GET", "/rounds/api/session"): EVERY_READER,
    ("GET", "/rounds/welcome"): READ,
    ("POST", "/rounds/api/consent"): READ,
    ("POST", "/rounds/api/consent/withdraw"): EVERY_READER,
    # Reading: what only an adjudicator may do, the route itself checks.
    ("POST", "/rounds/api/worklists/{worklist_id:int}/claim"): READ,
    ("GET", "/rounds/pixels/{key}"): READ,
    ("GET", "/rounds/api/worklists/{worklist_id:int}/references"): READ,
    ("GET", "/rounds/references/{key}"): READ,
    ("POST", "/rounds/api/readings"): READ,
    ("GET", "/rounds/pairs"): require_any(Capability.JUDGE_PAIRS),
    ("GET", "/rounds/api/pairs"): require_any(Capability.JUDGE_PAIRS),
    ("POST", "/rounds/api/pairs"): require_any(Capability.JUDGE_PAIRS),
    ("GET", "/rounds/api/pairs/{pair_list_id:int}"): require_any(Capability.JUDGE_PAIRS),
    ("GET", "/rounds/pairs/{key}/{side}"): require_any(Capability.JUDGE_PAIRS),
    ("GET", "/rounds/exports/worklists/{worklist_id:int}/{figure}.csv"): require_any(Capability.SEE_RESULTS),
    ("GET", "/rounds/exports/measurements/{measurement_id:int}/figures.csv"): require_any(Capability.SEE_RESULTS),
    ("GET", "/rounds/exports/screenings/{screening_id:int}/{figure}.csv"): require_any(Capability.MANAGE),
    ("GET", "/rounds/exports/error-rates/{report_id:int}.csv"): require_any(Capability.MANAGE),
}


@cache
def _compiled() -> list[tuple[str, Pattern[str], list[str], Need]]:
    rows = []
    for (method, template), need in ACCESS.items():
        pattern, _, convertors = compile_path(template)
        numbers = [name for name, convertor in convertors.items() if isinstance(convertor, IntegerConvertor)]
        rows.append((method, pattern, numbers, need))
    return rows


def need_of(kind: str, method: str, path: str) -> Need | None:
    """What the route of a request requires; `kind` is "http" or "websocket". None without a route."""
    if not path.isprintable():
        return None
    if kind == "websocket":
        return EVERY_READER if path == STREAM_PATH else None
    if path.startswith("/rounds/"):
        return _need_of_ours("GET" if method == "HEAD" else method, path)
    return SEES_IMAGES if path.startswith("/media/") else EVERY_READER


def require(reader: SignedInReader, capability: Capability) -> None:
    """Raise NotAllowed unless the role of the reader has a capability; for checks inside a route."""
    if not reader.can(capability):
        raise NotAllowed(
            f"expected a role that may {capability.value.replace('_', ' ')}, got {reader.role.value}. "
            "Ask an administrator for another role."
        )


def _need_of_ours(method: str, path: str) -> Need | None:
    for expected, pattern, numbers, need in _compiled():
        match = pattern.fullmatch(path) if expected == method else None
        if match is not None:
            too_long = any(len(match[name]) > ROW_ID_DIGITS for name in numbers)
            return None if too_long else need
    return None
