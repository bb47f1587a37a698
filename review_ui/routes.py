"""The routes the viewer and our own pages talk to; review_ui/access.py says which role gets to which.

GET  /rounds/sign-in            the form          POST  the same: name and password, answers with the cookie
GET  /rounds/account            password, sign-out
POST /rounds/api/password       POST /rounds/api/sign-out
GET  /rounds/api/session        who is signed in, and the CSRF token for the writes
POST /rounds/api/worklists/ID/claim   lease images: own live leases first, then new ones
GET  /rounds/pixels/KEY         raw little-endian pixels of an image this reader holds an assignment for
POST /rounds/api/readings       verdicts and undos, in order, each committed before it is acknowledged
"""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from curation.errors import BadInput, Conflict, NotAllowed, NotFound, RoundsError
from curation.project import Project
from curation.readers import change_password, sign_in, sign_out
from review_ui.guard import READER_KEY, SIGN_IN_PATH
from review_ui.pages import account_page, sign_in_page
from review_ui.reading_routes import ReadingRoutes
from review_ui.requests import PasswordChange, parse_json
from review_ui.sessions import Clock, SignedInReader, ended_cookie, session_cookie
from review_ui.throttle import Throttle

STATIC_TYPES = {"rounds.css": "text/css", "account.js": "text/javascript", "icon.svg": "image/svg+xml"}
WRONG_SIGN_IN = "Name or password is not right. After five failures an account rests for five minutes."
TOO_MANY = "Too many failed sign-ins from this address. Try again in five minutes."
ERROR_STATUS = ((NotFound, 404), (NotAllowed, 403), (Conflict, 409), (BadInput, 422))


def create_routes(project: Project, clock: Clock) -> list[BaseRoute]:
    """All our routes over one project."""
    accounts = AccountRoutes(project, clock)
    reading = ReadingRoutes(project, clock)
    return [
        Route("/rounds/health", _health, methods=["GET"]),
        Route("/rounds/static/{name}", _static, methods=["GET"]),
        Route(SIGN_IN_PATH, accounts.show_sign_in, methods=["GET"]),
        Route(SIGN_IN_PATH, accounts.sign_in, methods=["POST"]),
        Route("/rounds/account", accounts.show_account, methods=["GET"]),
        Route("/rounds/api/session", accounts.session, methods=["GET"]),
        Route("/rounds/api/password", accounts.change_password, methods=["POST"]),
        Route("/rounds/api/sign-out", accounts.sign_out, methods=["POST"]),
        Route("/rounds/api/worklists/{worklist_id:int}/claim", reading.claim, methods=["POST"]),
        Route("/rounds/pixels/{key}", reading.pixels, methods=["GET"]),
        Route("/rounds/api/readings", reading.record, methods=["POST"]),
    ]


async def answer_rounds_error(request: Request, error: RoundsError) -> Response:
    """Turn an error meant for the user into its status and one sentence."""
    status = next((status for kind, status in ERROR_STATUS if isinstance(error, kind)), 400)
    return JSONResponse({"error": str(error)}, status)


async def answer_invalid(request: Request, error: ValidationError) -> Response:
    """Name the fields of a body that do not fit, without echoing what was sent."""
    fields = ", ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:5])
    return JSONResponse({"error": f"the request does not fit: {fields}"}, 422)


EXCEPTION_HANDLERS: dict[Any, Callable[[Any, Any], Awaitable[Response]]] = {
    RoundsError: answer_rounds_error,
    ValidationError: answer_invalid,
}


async def _health(request: Request) -> Response:
    return PlainTextResponse("ok")


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC_TYPES:
        return JSONResponse({"error": "there is nothing here."}, 404)
    content = files("review_ui").joinpath("static", name).read_bytes()
    return Response(content, media_type=STATIC_TYPES[name])


def _wants_json(request: Request) -> bool:
    return request.headers.get("accept", "").startswith("application/json")


class AccountRoutes:
    """Signing in and out, and the reader's own password."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock
        self.throttle = Throttle()

    async def show_sign_in(self, request: Request) -> Response:
        """The form."""
        return HTMLResponse(sign_in_page(self.project.settings.name))

    async def sign_in(self, request: Request) -> Response:
        """Check name and password (form-encoded); a browser goes on to the review page, a script gets the token."""
        address = request.client.host if request.client else ""
        if self.throttle.is_closed(address, self.clock()):
            return self._not_signed_in(request, "", TOO_MANY, 429)
        fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=4)
        name, password = (fields.get(field, [""])[0] for field in ("name", "password"))
        signed_in = await run_in_threadpool(self._sign_in, name, password)
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
        return HTMLResponse(sign_in_page(self.project.settings.name, name, why), status)

    def _sign_in(self, name: str, password: str) -> tuple[str, dict[str, object]] | None:
        with self.project.database.write() as session:
            signed_in = sign_in(session, self.project.chain, self.clock(), name, password)
            if signed_in is None:
                return None
            reader = signed_in.reader
            return signed_in.token, {"reader": reader.id, "name": reader.name, "csrf": signed_in.csrf_token}

    async def show_account(self, request: Request) -> Response:
        """The reader's own page."""
        return HTMLResponse(account_page(request.scope[READER_KEY]))

    async def session(self, request: Request) -> Response:
        """Who is signed in; only a page of this origin can read the answer."""
        reader: SignedInReader = request.scope[READER_KEY]
        return JSONResponse({"reader": reader.reader_id, "name": reader.name, "csrf": reader.csrf_token})

    async def change_password(self, request: Request) -> Response:
        """Replace the reader's password, given the current one."""
        change = parse_json(PasswordChange, await request.body())
        await run_in_threadpool(self._change_password, request.scope[READER_KEY], change)
        return JSONResponse({"state": "changed"})

    def _change_password(self, reader: SignedInReader, change: PasswordChange) -> None:
        with self.project.database.write() as session:
            change_password(session, self.project.chain, self.clock(), reader.reader_id, change.current, change.new)

    async def sign_out(self, request: Request) -> Response:
        """End this session on the server and in the browser."""
        reader: SignedInReader = request.scope[READER_KEY]
        await run_in_threadpool(self._sign_out, reader.token)
        response = JSONResponse({"state": "signed out"})
        response.headers.append("set-cookie", ended_cookie(secure=request.url.scheme == "https"))
        return response

    def _sign_out(self, token: str) -> None:
        with self.project.database.write() as session:
            sign_out(session, self.project.chain, self.clock(), token)
