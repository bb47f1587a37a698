"""The guard: an ASGI middleware in front of all HTTP and WebSocket routes, Streamlit's included.

A request passes only when its Host is one of ours, it does not come from another site, and it belongs to a signed-in
reader whose role may use the route (security/access.py); a write also needs the reader's CSRF token in the
`X-CSRF-Token` header. Without signing in only the sign-in page, what it loads, and the health check are served.
"""

import hmac
import logging
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from curation.errors import Unavailable
from curation.tables.people import Role
from review_ui.security.access import Who, need_of
from review_ui.security.headers import security_headers
from review_ui.security.refused import cannot_show_page, database_away_page
from review_ui.security.sessions import COOKIE_NAME, Sessions, SignedInReader, is_secure, read_cookie
from review_ui.security.throttle import Paces

READER_KEY = "rounds.reader"
SIGN_IN_PATH = "/rounds/sign-in"
PASSWORD_PATH = "/rounds/account"
WELCOME_PATH = "/rounds/welcome"
CLOSED_PREFIXES = ("/_stcore/upload_file", "/_stcore/metrics", "/_stcore/agent", "/auth/", "/oauth2callback", "/app/")
ASKED_FIRST = frozenset({Role.READER, Role.ADJUDICATOR})  # roles that must consent before any page
SAFE_METHODS = frozenset({"GET", "HEAD"})
BODY_LIMIT_BYTES = 256 * 1024
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
AGAIN_S = 5
LOG_EVERY_S = 15
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused."""

    status: int
    message: str
    to_sign_in: bool = False
    retry_after_s: int = 0


NOT_CONSENTED = Refusal(403, "you have not agreed to how reading is recorded. Open /rounds/welcome, then read.")

FROM_ELSEWHERE = Refusal(403, "expected a request from this page itself, got one from elsewhere.")
BODY_BROKE_OFF = Refusal(400, "the request broke off before its end. Send it again.")


class Guard:
    """Wraps the whole application; the docstring of the module says which requests pass."""

    def __init__(self, app: ASGIApp, sessions: Sessions, allowed_hosts: frozenset[str]) -> None:
        self.app = app
        self.sessions = sessions
        self.allowed_hosts = allowed_hosts
        self.paces = Paces()
        self.logged_at: datetime | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its reader in `scope`, or refuse it."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        connection = HTTPConnection(scope)
        refusal = refuse_origin(connection, self.allowed_hosts) or _refuse_path(connection)
        if refusal is None:
            refusal = await self._refuse_or_know(connection)
        if scope["type"] == "websocket":
            if refusal is not None:
                return await send({"type": "websocket.close", "code": 1008})
            return await self.app(scope, receive, send)
        await self._serve(connection, refusal, receive, _with_headers(connection, send))

    async def _refuse_or_know(self, connection: HTTPConnection) -> Refusal | None:
        """Find the reader of a request and put them into its scope, or refuse it; 503 while the database is away."""
        scope = connection.scope
        scope[READER_KEY] = None
        try:
            reader = await run_in_threadpool(self.sessions.find, read_cookie(connection, COOKIE_NAME))
        except Unavailable as error:
            refusal = _refuse_reader(connection, None)  # what everybody may see needs no database
            if refusal is not None:
                self._log_away(error)
                message = "the database cannot be used just now; nothing was saved. Try again in a moment."
                refusal = Refusal(503, message, retry_after_s=AGAIN_S)
            return refusal
        scope[READER_KEY] = reader
        return _refuse_reader(connection, reader) or self._refuse_pace(connection, reader)

    def _log_away(self, error: Unavailable) -> None:
        """Log why the database is away, once in a while: every waiting browser asks again and again."""
        now = self.sessions.clock()
        if self.logged_at is None or abs((now - self.logged_at).total_seconds()) >= LOG_EVERY_S:
            self.logged_at = now
            _LOG.warning("%s", error)

    def _refuse_pace(self, connection: HTTPConnection, reader: SignedInReader | None) -> Refusal | None:
        if reader is None or connection.scope["type"] != "http":
            return None
        is_write = connection.scope["method"] not in SAFE_METHODS
        wait_s = self.paces.wait_s(reader.reader_id, is_write, connection.scope["path"], self.sessions.clock())
        return Refusal(429, "too many requests at once. Wait a moment.", retry_after_s=wait_s) if wait_s else None

    async def _serve(self, connection: HTTPConnection, refusal: Refusal | None, receive: Receive, send: Send) -> None:
        scope = connection.scope
        if refusal is None and scope["method"] not in SAFE_METHODS:
            body = await _read_body(receive)
            if isinstance(body, Refusal):
                refusal = body
            else:
                receive = _replay(body, receive)
        if refusal is not None:
            return await _answer(connection, refusal)(scope, receive, send)
        if scope["path"].startswith("/rounds/"):
            # The size of compressed pixels would reveal the image, and gzip beside a secret is a known leak.
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app(scope, receive, send)


def refuse_origin(connection: HTTPConnection, allowed_hosts: frozenset[str]) -> Refusal | None:
    """Refuse a Host that is not ours, and requests that another site sends or embeds."""
    headers = connection.headers
    if len(headers.getlist("host")) != 1 or _host_name(headers["host"]) not in allowed_hosts:
        return Refusal(421, "this server does not answer to this address. Start it with --allow-host NAME.")
    is_write = connection.scope["type"] == "websocket" or connection.scope["method"] not in SAFE_METHODS
    origin = headers.get("origin")
    if is_write or origin is not None:
        refusal = _refuse_page(origin, headers["host"], "https" if is_secure(connection) else "http")
        if refusal is not None:
            return refusal
    site = headers.get("sec-fetch-site", "same-origin")
    from_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if site not in ("same-origin", "none") and (is_write or not from_link):
        return Refusal(403, "expected a request from this page itself, got one from another site.")
    return None


def _host_name(host: str) -> str | None:
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.username is not None or parts.password is not None or parts.path or parts.query or parts.fragment:
        return None
    return parts.hostname


def _refuse_page(origin: str | None, host: str, scheme: str) -> Refusal | None:
    """Refuse a page that does not come from this host by this scheme: anybody on the way can write an http page."""
    try:
        parts = urlsplit(origin or "")
    except ValueError:
        return FROM_ELSEWHERE
    if parts.scheme not in ("http", "https") or parts.netloc.lower() != host.lower() or parts.path:
        return FROM_ELSEWHERE
    if parts.scheme == scheme:
        return None
    return Refusal(
        403,
        f"expected a page that came by {scheme}, got one by {parts.scheme}. Open the page by {scheme}; behind a proxy "
        "with TLS start `rounds review` with --forwarded-allow-ips and the proxy's address.",
    )


def _refuse_path(connection: HTTPConnection) -> Refusal | None:
    path = connection.scope["path"]
    if path.startswith(CLOSED_PREFIXES):
        return Refusal(404, "there is nothing here.")
    is_http = connection.scope["type"] == "http"
    if is_http and connection.scope["method"] not in SAFE_METHODS and not path.startswith("/rounds/"):
        return Refusal(405, "only the routes under /rounds/ take writes.")
    return None


def _refuse_reader(connection: HTTPConnection, reader: SignedInReader | None) -> Refusal | None:
    scope = connection.scope
    need = need_of(scope["type"], scope.get("method", "GET"), scope["path"])
    if need is not None and need.who is Who.EVERYBODY:
        return None
    if reader is None:
        return Refusal(401, "sign in first.", to_sign_in=True)
    if need is None:
        return Refusal(404, "there is nothing here.")
    if reader.must_change_password and need.who is not Who.FIRST_PASSWORD:
        return Refusal(403, "choose a password of your own first.")
    if need.refuses(reader):
        return Refusal(403, f"this is not for the role {reader.role.value}. Ask an administrator for another role.")
    if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
        token = connection.headers.get("x-csrf-token", "")
        if not hmac.compare_digest(token.encode(), reader.csrf_token.encode()):
            return Refusal(403, "the X-CSRF-Token header is missing or not this session's. Reload the page.")
    if not reader.consented and reader.role in ASKED_FIRST and not scope["path"].startswith("/rounds/"):
        return NOT_CONSENTED
    return None


def _answer(connection: HTTPConnection, refusal: Refusal) -> Response:
    if not wants_page(connection):
        wait = {"Retry-After": str(refusal.retry_after_s)} if refusal.retry_after_s else None
        return JSONResponse({"error": refusal.message}, refusal.status, wait)
    if refusal.status == 503:
        return HTMLResponse(database_away_page(AGAIN_S), 503, {"Retry-After": str(refusal.retry_after_s)})
    reader = connection.scope.get(READER_KEY)
    if refusal.to_sign_in:
        return RedirectResponse(SIGN_IN_PATH, 303)
    if refusal.status == 403 and reader is not None and reader.must_change_password:
        return RedirectResponse(PASSWORD_PATH, 303)
    if refusal is NOT_CONSENTED:
        return RedirectResponse(WELCOME_PATH, 303)
    return HTMLResponse(cannot_show_page(refusal.message), refusal.status)


def wants_page(connection: HTTPConnection) -> bool:
    """Whether a browser asks for a page to show, not a script for an answer."""
    accepted = connection.headers.get("accept", "")
    return connection.scope["method"] == "GET" and accepted.startswith("text/html")


async def _read_body(receive: Receive) -> bytes | Refusal:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return BODY_BROKE_OFF  # what came so far is not what was sent
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT_BYTES:
            return Refusal(413, f"expected at most {BODY_LIMIT_BYTES} bytes in one request. Send less at once.")
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _with_headers(connection: HTTPConnection, send: Send) -> Send:
    added = security_headers(connection.scope["path"], secure=is_secure(connection))

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in added.items():
                headers[name] = value
        await send(message)

    return send_with_headers
