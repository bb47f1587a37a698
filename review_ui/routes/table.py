"""The table of all routes of ours; security/access.py says which role may use which.

GET  /rounds/sign-in            the form          POST  the same: name and password, answers with the cookie
GET  /rounds/oidc/sign-in       to the identity provider, and back by GET /rounds/oidc/callback
GET  /rounds/account            password, sign-out
POST /rounds/api/password       POST /rounds/api/sign-out       POST /rounds/api/sign-out-everywhere
GET  /rounds/welcome            before the first image
POST /rounds/api/consent        POST /rounds/api/consent/withdraw
GET  /rounds/api/session        who is signed in, and the CSRF token for the writes
POST /rounds/api/worklists/ID/claim   lease images: own live leases first, then new ones
GET  /rounds/pixels/KEY         raw little-endian pixels of an image this reader holds an assignment for
GET  /rounds/api/worklists/ID/references, /rounds/references/KEY   real training images of each class
GET  /rounds/exports/worklists/ID/FIGURE.csv   a figure of the results
GET  /rounds/exports/measurements/ID/figures.csv   every figure of a measured set
GET  /rounds/pairs, /rounds/api/pairs, /rounds/api/pairs/ID, /rounds/pairs/KEY/SIDE   for the privacy role to judge
POST /rounds/api/pairs          one judgement, or the undo of one
GET  /rounds/exports/screenings/ID/FIGURE.csv, /rounds/exports/error-rates/ID.csv   screening and error rates
POST /rounds/api/readings       verdicts and undos, in order, each committed before it is acknowledged
"""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from curation.errors import BadInput, Conflict, NotAllowed, NotFound, RoundsError, Unavailable
from curation.project import Project
from review_ui.routes.account import AccountRoutes
from review_ui.routes.exports import ExportRoutes
from review_ui.routes.oidc import CALLBACK_PATH, OidcRoutes
from review_ui.routes.pairs import PairRoutes
from review_ui.routes.reading import ReadingRoutes
from review_ui.routes.references import ReferenceRoutes
from review_ui.routes.welcome import WelcomeRoutes
from review_ui.security.guard import SIGN_IN_PATH, wants_page
from review_ui.security.refused import cannot_show_page
from review_ui.security.sessions import Clock
from review_ui.security.throttle import TryLater

STATIC_TYPES = {
    "rounds.css": "text/css",
    "welcome.css": "text/css",
    "pairs.css": "text/css",
    "pairs.js": "text/javascript",
    "account.js": "text/javascript",
    "address.js": "text/javascript",
    "consent.js": "text/javascript",
    "theme.js": "text/javascript",
    "welcome.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
ERROR_STATUS = ((NotFound, 404), (NotAllowed, 403), (Conflict, 409), (BadInput, 422), (Unavailable, 503))


def create_routes(project: Project, clock: Clock) -> list[BaseRoute]:
    """Make all our routes for one project."""
    accounts = AccountRoutes(project, clock)
    provider = OidcRoutes(project, clock)
    reading = ReadingRoutes(project, clock)
    exports = ExportRoutes(project, clock)
    welcome = WelcomeRoutes(project, clock)
    references = ReferenceRoutes(project)
    pairs = PairRoutes(project, clock)
    return [
        Route("/rounds/health", _health, methods=["GET"]),
        Route("/rounds/static/{name}", _static, methods=["GET"]),
        Route(SIGN_IN_PATH, accounts.show_sign_in, methods=["GET"]),
        Route(SIGN_IN_PATH, accounts.sign_in, methods=["POST"]),
        Route("/rounds/oidc/sign-in", provider.begin, methods=["GET"]),
        Route(CALLBACK_PATH, provider.finish, methods=["GET"]),
        Route("/rounds/account", accounts.show_account, methods=["GET"]),
        Route("/rounds/api/session", accounts.session, methods=["GET"]),
        Route("/rounds/api/password", accounts.change_password, methods=["POST"]),
        Route("/rounds/api/sign-out", accounts.sign_out, methods=["POST"]),
        Route("/rounds/api/sign-out-everywhere", accounts.sign_out_everywhere, methods=["POST"]),
        Route("/rounds/api/worklists/{worklist_id:int}/claim", reading.claim, methods=["POST"]),
        Route("/rounds/pixels/{key}", reading.pixels, methods=["GET"]),
        Route("/rounds/api/readings", reading.record, methods=["POST"]),
        Route("/rounds/welcome", welcome.show, methods=["GET"]),
        Route("/rounds/api/consent", welcome.agree, methods=["POST"]),
        Route("/rounds/api/consent/withdraw", welcome.withdraw, methods=["POST"]),
        Route("/rounds/api/worklists/{worklist_id:int}/references", references.list, methods=["GET"]),
        Route("/rounds/references/{key}", references.pixels, methods=["GET"]),
        Route("/rounds/pairs", pairs.page, methods=["GET"]),
        Route("/rounds/api/pairs", pairs.lists, methods=["GET"]),
        Route("/rounds/api/pairs", pairs.record, methods=["POST"]),
        Route("/rounds/api/pairs/{pair_list_id:int}", pairs.following, methods=["GET"]),
        Route("/rounds/pairs/{key}/{side}", pairs.pixels, methods=["GET"]),
        Route("/rounds/exports/worklists/{worklist_id:int}/{figure}.csv", exports.figure, methods=["GET"]),
        Route("/rounds/exports/measurements/{measurement_id:int}/figures.csv", exports.measurement, methods=["GET"]),
        Route("/rounds/exports/screenings/{screening_id:int}/{figure}.csv", exports.screening, methods=["GET"]),
        Route("/rounds/exports/error-rates/{report_id:int}.csv", exports.error_rates, methods=["GET"]),
    ]


async def answer_rounds_error(request: Request, error: RoundsError) -> Response:
    """Answer an error meant for the user with its status and its message, as a page where a browser shows one."""
    if isinstance(error, TryLater):
        return JSONResponse({"error": str(error)}, error.status, {"Retry-After": str(error.retry_after_s)})
    status = next((status for kind, status in ERROR_STATUS if isinstance(error, kind)), 400)
    if wants_page(request):
        return HTMLResponse(cannot_show_page(str(error)), status)
    return JSONResponse({"error": str(error)}, status)


async def answer_invalid(request: Request, error: ValidationError) -> Response:
    """Name the fields of a body that are not valid, without repeating what was sent."""
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
        raise NotFound("there is nothing here.")
    content = files("review_ui").joinpath("static", name).read_bytes()
    return Response(content, media_type=STATIC_TYPES[name])
