"""The routes of OpenID Connect: /rounds/oidc/sign-in to the provider, /rounds/oidc/callback back."""

import hmac
from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from curation.errors import NotAllowed, NotFound, RoundsError
from curation.project import STATE_KEY, Project
from curation.readers.sign_ins import sign_in_by_provider
from review_ui.own_pages.account import continue_page, refused_page
from review_ui.security.oidc import TRIP, ProviderDown, Trip, open_provider
from review_ui.security.sessions import Clock, is_secure, named_cookie, read_cookie, session_cookie
from review_ui.security.throttle import Line, TryLater, network_of

TRIP_COOKIE = "rounds_oidc"
CALLBACK_PATH = "/rounds/oidc/callback"


class OidcRoutes:
    """Both routes; without `[oidc]` in rounds.toml they answer 404."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock
        self.provider = open_provider(project)
        self.line = Line(threads=4, places=16, places_each=4)

    async def begin(self, request: Request) -> Response:
        """Keep the trip in a cookie and send the browser to the provider."""
        if self.provider is None:
            raise NotFound("there is nothing here.")
        now = self.clock()
        trip = Trip.begin(now)
        try:
            ask = partial(self.provider.address, trip, _callback(request), now)
            address = await self.line.run(_place(request), ask)
        except RoundsError as error:
            return _refused(error)
        response = RedirectResponse(address, 303)
        sealed = trip.sealed(self.project.secret(STATE_KEY))
        response.headers.append("set-cookie", _trip_cookie(request, sealed, int(TRIP.total_seconds())))
        return response

    async def finish(self, request: Request) -> Response:
        """Check the provider's answer; sign in the linked reader, refuse anybody else."""
        if self.provider is None:
            raise NotFound("there is nothing here.")
        try:
            trip, code = self._answered(request)
            token = await self.line.run(_place(request), partial(self._sign_in, request, trip, code))
        except RoundsError as error:
            response = _refused(error)
        else:
            # The session's cookie is SameSite=Strict: a browser sends it only when one of our own pages goes on.
            response = HTMLResponse(continue_page())
            cookie = session_cookie(token, secure=is_secure(request))
            response.headers.append("set-cookie", cookie)
        response.headers.append("set-cookie", _trip_cookie(request, "", 0))
        return response

    def _answered(self, request: Request) -> tuple[Trip, str]:
        """The sign-in that this answer of the provider belongs to, and its code; raises NotAllowed."""
        assert self.provider is not None
        now, parameters = self.clock(), request.query_params
        trip = Trip.unsealed(self.project.secret(STATE_KEY), read_cookie(request, TRIP_COOKIE) or "", now)
        if not hmac.compare_digest(parameters.get("state", "").encode(), trip.state.encode()):
            raise NotAllowed("this answer belongs to another sign-in. Start again.")
        if "code" not in parameters:
            raise NotAllowed(f"{self.provider.settings.name} did not sign you in. Start again.")
        return trip, parameters["code"]

    def _sign_in(self, request: Request, trip: Trip, code: str) -> str:
        assert self.provider is not None
        now = self.clock()
        subject = self.provider.subject(trip, code, _callback(request), now)
        with self.project.database.write() as session:
            signed_in = sign_in_by_provider(session, self.project.chain, now, subject)
        if signed_in is None:
            raise NotAllowed(
                f"no active reader is linked to this account. Ask an administrator, and give them this: {subject}"
            )
        return signed_in.token


def _refused(error: RoundsError) -> Response:
    if isinstance(error, TryLater):
        return HTMLResponse(refused_page(str(error)), error.status, {"Retry-After": str(error.retry_after_s)})
    return HTMLResponse(refused_page(str(error)), 502 if isinstance(error, ProviderDown) else 403)


def _place(request: Request) -> str:
    return network_of(request.client.host if request.client else "")


def _callback(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers['host']}{CALLBACK_PATH}"


def _trip_cookie(request: Request, value: str, max_age: int) -> str:
    morsel = named_cookie(TRIP_COOKIE, value, secure=is_secure(request), same_site="Lax")
    morsel["max-age"] = max_age
    return morsel.OutputString()
