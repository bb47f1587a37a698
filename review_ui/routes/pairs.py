"""The routes for judging pairs: the page, the next pairs, the images of a pair, the judgements."""

import time
from dataclasses import asdict

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from curation.pairs.judging import Judgement, find_next_pairs, find_pair_image, list_open_pair_lists, record_judgement
from curation.project import Project
from review_ui.own_pages.pairs import pair_page
from review_ui.routes.raw_pixels import raw_pixels
from review_ui.routes.requests import parse_json
from review_ui.security.guard import READER_KEY
from review_ui.security.sessions import Clock, SignedInReader

AHEAD = 12


class PairRoutes:
    """The routes by opaque pair keys: none says which side is real, or why a pair is in the list."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock

    async def page(self, request: Request) -> Response:
        """Show the judging page."""
        return HTMLResponse(pair_page(request.scope[READER_KEY]))

    def lists(self, request: Request) -> Response:
        """List the open lists, newest first, with the progress of this judge."""
        reader: SignedInReader = request.scope[READER_KEY]
        with self.project.database.read() as session:
            pair_lists = list_open_pair_lists(session, reader.reader_id)
        return JSONResponse({"lists": [asdict(pair_list) for pair_list in pair_lists]})

    def following(self, request: Request) -> Response:
        """List the next pairs of a list that this judge has not judged."""
        reader: SignedInReader = request.scope[READER_KEY]
        with self.project.database.read() as session:
            pairs = find_next_pairs(session, reader.reader_id, request.path_params["pair_list_id"], AHEAD)
        return JSONResponse({"pairs": [asdict(pair) for pair in pairs]})

    def pixels(self, request: Request) -> Response:
        """Send one image of a pair."""
        started = time.perf_counter()
        with self.project.database.read() as session:
            digest = find_pair_image(session, request.path_params["key"], request.path_params["side"])
        return raw_pixels(self.project.store, digest, started)

    async def record(self, request: Request) -> Response:
        """Commit a judgement, or the undo of one, before acknowledging it."""
        judgement = parse_json(Judgement, await request.body())
        reader: SignedInReader = request.scope[READER_KEY]
        await run_in_threadpool(self._record, reader.reader_id, judgement)
        return JSONResponse({"state": "saved"})

    def _record(self, reader_id: int, judgement: Judgement) -> None:
        with self.project.database.write() as session:
            record_judgement(session, self.project.chain, self.clock(), reader_id, judgement)
