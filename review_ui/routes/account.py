"""The routes to sign in and out, and to change the password."""

from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from curation.errors import Unavailable
from curation.project import Project
from curation.readers.accounts import change_password, sign_out_everywhere
from curation.readers.passwords import PasswordCheck, check_password, password_hash_of
from curation.readers.sign_ins import sign_in, sign_out
from review_ui.own_pages.account import account_page, sign_in_page
from review_ui.routes.requests import PasswordChange, parse_json
from review_ui.security.guard import READER_KEY
from review_ui.security.sessions import Clock, SignedInReader, ended_cookie, session_cookie
from review_ui.security.throttle import Throttle

NO_DATABASE = "The database does not answer just now. Wait a moment, then sign in again."
WRONG_SIGN_IN = "Name or password is not right. After five failures an account rests for five minutes."
TOO_MANY = "Too many failed sign-ins from this address. Try again in five minutes."


class AccountRoutes:
    """The routes; passwords are checked between two transactions, so that readers never wait for a sign-in."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock
        self.throttle = Throttle()

    async def show_sign_in(self, request: Request) -> Response:
        """Show the sign-in form."""
        return HTMLResponse(self._page())

    async def sign_in(self, request: Request) -> Response:
        """Check name and password (form-encoded); a browser goes on to the review page, a script gets the token."""
        address = request.client.host if request.client else ""
        if self.throttle.is_closed(address, self.clock()):
            return self._not_signed_in(request, "", TOO_MANY, 429)
        name, password = _fields(await request.body())
        try:
            signed_in = await run_in_threadpool(self._sign_in, name, password)
        except Unavailable:
            return self._not_signed_in(request, name[:100], NO_DATABASE, 503)
        if signed_in is None:
            self.throttle.failed(address, self.clock())
            return self._not_signed_in(request, name[:100], WRONG_SIGN_IN, 401)
        token, answer = signed_in
        response = JSONResponse(answer) if _wants_json(request) else RedirectResponse("/", 303)
        response.headers.append("set-cookie", session_cookie(token, secure=request.url.scheme == "https"))
        return response

    def _not_signed_in(self, request: Request, name: str, why: str, status: int) -> Response:
        if _wants_json(request):
            return JSONResponse({"error": why}, status)
        return HTMLResponse(self._page(name, why), status)

    def _page(self, name: str = "", error: str | None = None) -> str:
        oidc = self.project.settings.oidc
        return sign_in_page(self.project.settings.name, name, error, oidc.name if oidc else None)

    def _sign_in(self, name: str, password: str) -> tuple[str, dict[str, object]] | None:
        checked = self._check(name, password)
        with self.project.database.write() as session:
            signed_in = sign_in(session, self.project.chain, self.clock(), checked)
            if signed_in is None:
                return None
            reader = signed_in.reader
            return signed_in.token, {"reader": reader.id, "name": reader.name, "csrf": signed_in.csrf_token}

    def _check(self, name: str, password: str) -> PasswordCheck:
        with self.project.database.read() as session:
            password_hash = password_hash_of(session, name)
        return check_password(name, password_hash, password)

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
        await run_in_threadpool(self._change_password, request.scope[READER_KEY], change)
        return JSONResponse({"state": "changed"})

    def _change_password(self, reader: SignedInReader, change: PasswordChange) -> None:
        checked = self._check(reader.name, change.current)
        with self.project.database.write() as session:
            chain, now = self.project.chain, self.clock()
            change_password(session, chain, now, reader.reader_id, checked, change.new, reader.token)

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
    response.headers.append("set-cookie", ended_cookie(secure=request.url.scheme == "https"))
    return response


def _fields(body: bytes) -> tuple[str, str]:
    """Read name and password from the form; both are empty when it cannot be read."""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
    except ValueError:
        return "", ""
    name, password = (fields.get(field, [""])[0] for field in ("name", "password"))
    return (name if name.isprintable() else ""), password


def _wants_json(request: Request) -> bool:
    return request.headers.get("accept", "").startswith("application/json")
