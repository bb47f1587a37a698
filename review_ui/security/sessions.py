"""Sessions: find the reader of a session cookie among the sign-ins of the database.

The cookie is HttpOnly and SameSite=Strict. By https it is Secure, and its name begins with `__Host-`, so that no other
host of the domain, and no http page, can set it. Its token is looked up on every request and on every rerun of a
Streamlit page: revoking a sign-in takes effect at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http.cookies import Morsel, SimpleCookie

from starlette.requests import HTTPConnection

from curation.project import Project
from curation.readers.sign_ins import find_sign_in, find_sign_in_and_consent
from curation.tables.people import Role
from review_ui.security.permissions import CAPABILITIES, Capability

COOKIE_NAME = "rounds_session"

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class SignedInReader:
    """The signed-in reader of a request."""

    reader_id: int
    name: str
    role: Role
    csrf_token: str
    must_change_password: bool
    token: str
    consented: bool

    def can(self, capability: Capability) -> bool:
        """Whether the role of the reader has a capability."""
        return capability in CAPABILITIES[self.role]


@dataclass(frozen=True, slots=True)
class Sessions:
    """Finds sign-ins by token in the database of a project."""

    project: Project
    clock: Clock

    def find(self, token: str | None, active: bool = True) -> SignedInReader | None:
        """Find the reader of a live sign-in; None for an unknown, expired or revoked token.

        It writes at most once a minute, when the sign-in was last seen; otherwise it only reads, so that fetching
        pixels waits for no writer. A page that refreshes itself is not `active`, and does not keep the session alive.
        """
        if not token:
            return None
        now = self.clock()
        with self.project.database.read() as session:
            row = find_sign_in_and_consent(session, now, token)
            if row is None:
                return None
            sign_in, consented = row
            reader = sign_in.reader
            is_outdated = session.is_modified(sign_in)
        if is_outdated and active:
            with self.project.database.write() as session:
                find_sign_in(session, now, token)
        return SignedInReader(
            reader.id, reader.name, reader.role, sign_in.csrf_token, reader.must_change_password, token, consented
        )


def is_secure(connection: HTTPConnection) -> bool:
    """Whether a request came by https, as far as the server or a proxy that it trusts knows."""
    return connection.scope["scheme"] in ("https", "wss")


def cookie_name(name: str, secure: bool) -> str:
    """The name under which a cookie is set and read; browsers hold what its prefix promises (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{name}" if secure else name


def read_cookie(connection: HTTPConnection, name: str) -> str | None:
    """The value of a cookie of ours; by https one without the prefix counts for nothing."""
    return connection.cookies.get(cookie_name(name, is_secure(connection)))


def session_cookie(token: str, secure: bool) -> str:
    """The Set-Cookie value of a new session; it ends with the browser, or earlier on the server."""
    return named_cookie(COOKIE_NAME, token, secure, "Strict").OutputString()


def ended_cookie(secure: bool) -> str:
    """The Set-Cookie value that makes a browser forget its session."""
    morsel = named_cookie(COOKIE_NAME, "", secure, "Strict")
    morsel["max-age"] = 0
    return morsel.OutputString()


def named_cookie(name: str, value: str, secure: bool, same_site: str) -> "Morsel[str]":
    """A cookie that no script can read; by https no other host and no http page can set it."""
    name = cookie_name(name, secure)
    morsel = SimpleCookie({name: value})[name]
    morsel["path"] = "/"
    morsel["httponly"] = True
    morsel["samesite"] = same_site
    morsel["secure"] = secure
    return morsel
