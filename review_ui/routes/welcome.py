"""The routes of the first visit: show the text, record consent, withdraw consent."""

from typing import Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from curation.errors import Conflict
from curation.project import Project
from curation.readers.consent import CONSENT_VERSION, Display, Experience, record_consent, withdraw_consent
from curation.requests import FrozenRequest
from review_ui.own_pages.welcome import welcome_page
from review_ui.routes import requests
from review_ui.security.guard import READER_KEY
from review_ui.security.sessions import Clock, SignedInReader


class ConsentForm(FrozenRequest):
    """What the welcome page sends; `agreed` names the version of the text that was on the screen."""

    agreed: Literal[True]
    version: str
    experience: Experience
    display: Display


class WelcomeRoutes:
    """The routes of consent, for the signed-in reader alone."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock

    async def show(self, request: Request) -> Response:
        """Show the page before the first image."""
        return HTMLResponse(welcome_page(request.scope[READER_KEY]))

    async def agree(self, request: Request) -> Response:
        """Record consent; a text that has changed since the page was loaded is not agreed to."""
        agreement = requests.parse_json(ConsentForm, await request.body())
        if agreement.version != CONSENT_VERSION:
            raise Conflict("this text has changed since the page was loaded. Reload it and read it again.")
        await run_in_threadpool(self._agree, request.scope[READER_KEY], agreement)
        return JSONResponse({"state": "agreed"})

    def _agree(self, reader: SignedInReader, agreement: ConsentForm) -> None:
        with self.project.database.write() as session:
            chain, now = self.project.chain, self.clock()
            record_consent(session, chain, now, reader.reader_id, agreement.experience, agreement.display)

    def withdraw(self, request: Request) -> Response:
        """Withdraw consent, effective from the next request of this reader."""
        reader: SignedInReader = request.scope[READER_KEY]
        with self.project.database.write() as session:
            withdraw_consent(session, self.project.chain, self.clock(), reader.reader_id)
        return JSONResponse({"state": "withdrawn"})
