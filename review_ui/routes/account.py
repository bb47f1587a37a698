"""The routes to sign in and out, and to change the password."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from curation.errors import NotAllowed, RoundsError, Unavailable
from curation.project import STATE_KEY, Project
from curation.readers.accounts import change_password, sign_out_everywhere
from curation.readers.passwords import PasswordCheck, check_password, password_hash_of
from curation.readers.sign_ins import Account, find_account, sign_in, sign_out
from review_ui.own_pages.account import account_page, sign_in_page
from review_ui.routes.requests import PasswordChange, parse_json
from review_ui.security.devices import DEVICE_COOKIE, KNOWN_FOR, find_device, remember_device
from review_ui.security.guard import READER_KEY
from review_ui.security.sessions import (
    Clock,
    SignedInReader,
    ended_cookie,
    is_secure,
    named_cookie,
    read_cookie,
    session_cookie,
)
from review_ui.security.throttle import Line, SlowDown, TryLater, network_of

NO_DATABASE = "The database does not answer just now. Wait a moment, then sign in again."
WRONG_SIGN_IN = "Name or password is not right. After five wrong tries each further one has to wait."

LONGEST_NAME = 100

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Visit:
    """Who seems to sign in, from where: `place` is a known device of the account, else the network of the address."""

    name: str
    account: Account
    place: str
    is_known: bool


class AccountRoutes:
    """The routes; passwords are checked between two transactions, so that readers never wait for a sign-in."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock
        self.slow_down = SlowDown()
        self.strangers = Line(threads=2, places=64, places_each=16)  # a group signs in at eight from one address
        self.known = Line(threads=2, places=64, places_each=2)
        self.has_named_proxy = False

    async def show_sign_in(self, request: Request) -> Response:
        """Show the sign-in form."""
        return HTMLResponse(self._page())

    async def sign_in(self, request: Request) -> Response:
        """Check name and password (form-encoded); a browser goes on to the review page, a script gets the token."""
        self._name_proxy(request)
        name, password = _fields(await request.body())
        try:
            visit = await run_in_threadpool(self._recognise, request, name)
            signed_in = await self._checked(visit, partial(self._sign_in, name, password))
        except TryLater as error:
            return self._not_signed_in(request, name, f"{error}"[0].upper() + f"{error}"[1:], error.status, error)
        except Unavailable:
            return self._not_signed_in(request, name, NO_DATABASE, 503)
        if signed_in is None:
            return self._not_signed_in(request, name, WRONG_SIGN_IN, 401)
        token, answer = signed_in
        response = JSONResponse(answer) if _wants_json(request) else RedirectResponse("/", 303)
        response.headers.append("set-cookie", session_cookie(token, secure=is_secure(request)))
        self._remember_device(request, response, visit.account)
        return response

    def _name_proxy(self, request: Request) -> None:
        """Say once in the log that a proxy hides the addresses of readers."""
        if self.has_named_proxy or request.client is None:
            return
        forwarded = request.headers.get("x-forwarded-for", "") + request.headers.get("forwarded", "")
        if forwarded and request.client.host not in forwarded:
            self.has_named_proxy = True
            _log.warning(
                "A proxy at %s forwards sign-ins, and what it says of their addresses is not trusted: all come from "
                "one address, so a stranger's wrong passwords make readers wait on devices that never signed in. "
                "Start with --forwarded-allow-ips %s.",
                request.client.host,
                request.client.host,
            )

    def _recognise(self, request: Request, name: str) -> Visit:
        account = self._account(name)
        device = find_device(self._key, read_cookie(request, DEVICE_COOKIE) or "", account, self.clock())
        return Visit(name, account, device or network_of(request.client.host if request.client else ""), bool(device))

    def _account(self, name: str) -> Account:
        with self.project.database.read() as session:
            return find_account(session, name)

    async def _checked(self, visit: Visit, check: Callable[[datetime], Result]) -> Result:
        """Count a try, then let its password be checked when it is its turn; raises TryLater. Success is forgiven."""
        due = self.slow_down.take(visit.name, visit.place, self.clock(), visit.account.unlocked_at)
        line = self.known if visit.is_known else self.strangers
        try:
            result = await line.run(visit.place, partial(check, due))
        except NotAllowed:
            raise
        except RoundsError:
            self.slow_down.give_back(visit.name, visit.place)
            raise
        if result is not None:
            self.slow_down.forget(visit.name, visit.place)
        return result

    def _not_signed_in(
        self, request: Request, name: str, why: str, status: int, error: TryLater | None = None
    ) -> Response:
        wait = {"Retry-After": str(error.retry_after_s)} if error else None
        if _wants_json(request):
            return JSONResponse({"error": why}, status, wait)
        return HTMLResponse(self._page(name, why), status, wait)

    def _page(self, name: str = "", error: str | None = None) -> str:
        oidc = self.project.settings.oidc
        return sign_in_page(self.project.settings.name, name, error, oidc.name if oidc else None)

    def _sign_in(self, name: str, password: str, due: datetime) -> tuple[str, dict[str, object]] | None:
        checked, now = self._check(name, password), self.clock()
        with self.project.database.write() as session:
            signed_in = sign_in(session, self.project.chain, now, checked, due if due > now else None)
            if signed_in is None:
                return None
            reader = signed_in.reader
            return signed_in.token, {"reader": reader.id, "name": reader.name, "csrf": signed_in.csrf_token}

    def _check(self, name: str, password: str) -> PasswordCheck:
        with self.project.database.read() as session:
            password_hash = password_hash_of(session, name)
        return check_password(name, password_hash, password)

    def _remember_device(self, request: Request, response: Response, account: Account) -> None:
        value = remember_device(self._key, read_cookie(request, DEVICE_COOKIE) or "", account, self.clock())
        morsel = named_cookie(DEVICE_COOKIE, value, is_secure(request), "Strict")
        morsel["max-age"] = int(KNOWN_FOR.total_seconds())
        response.headers.append("set-cookie", morsel.OutputString())

    @property
    def _key(self) -> bytes:
        return self.project.secret(STATE_KEY)

    def show_account(self, request: Request) -> Response:
        """Show the account page of the reader."""
        reader: SignedInReader = request.scope[READER_KEY]
        with self.project.database.read() as session:
            has_password = password_hash_of(session, reader.name) is not None
        return HTMLResponse(account_page(reader, has_password))

    async def session(self, request: Request) -> Response:
        """Say who is signed in; only a page of this origin can read the response."""
        reader: SignedInReader = request.scope[READER_KEY]
        answer = {"reader": reader.reader_id, "name": reader.name, "role": reader.role.value, "csrf": reader.csrf_token}
        return JSONResponse(answer)

    async def change_password(self, request: Request) -> Response:
        """Replace the password of the reader, given the current one; their other sessions end."""
        change = parse_json(PasswordChange, await request.body())
        reader: SignedInReader = request.scope[READER_KEY]
        account = await run_in_threadpool(self._account, reader.name)
        visit = Visit(reader.name, account, f"session of {reader.reader_id}", is_known=True)
        changed = await self._checked(visit, lambda _: self._change_password(reader, change))
        response = JSONResponse({"state": "changed"})
        self._remember_device(request, response, changed)
        return response

    def _change_password(self, reader: SignedInReader, change: PasswordChange) -> Account:
        checked = self._check(reader.name, change.current)
        with self.project.database.write() as session:
            chain, now = self.project.chain, self.clock()
            change_password(session, chain, now, reader.reader_id, checked, change.new, reader.token)
            return find_account(session, reader.name)

    def sign_out(self, request: Request) -> Response:
        """End this session on the server and in the browser."""
        reader: SignedInReader = request.scope[READER_KEY]
        with self.project.database.write() as session:
            sign_out(session, self.project.chain, self.clock(), reader.token)
        return _signed_out(request)

    def sign_out_everywhere(self, request: Request) -> Response:
        """End every session of this reader, on all their machines."""
        reader: SignedInReader = request.scope[READER_KEY]
        with self.project.database.write() as session:
            sign_out_everywhere(session, self.project.chain, self.clock(), reader.name, by=reader.reader_id)
        return _signed_out(request)


def _signed_out(request: Request) -> Response:
    response = JSONResponse({"state": "signed out"})
    response.headers.append("set-cookie", ended_cookie(secure=is_secure(request)))
    return response


def _fields(body: bytes) -> tuple[str, str]:
    """Read name and password from the form; empty when it cannot be read, or when no reader can have such a name."""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
    except ValueError:
        return "", ""
    name, password = (fields.get(field, [""])[0] for field in ("name", "password"))
    return (name if name.isprintable() and len(name) <= LONGEST_NAME else ""), password


def _wants_json(request: Request) -> bool:
    return request.headers.get("accept", "").startswith("application/json")
