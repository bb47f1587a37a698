"""Judging pairs: the page, what is next, the two pictures of a pair, and the judgements."""

import time
from dataclasses import asdict
from typing import Any

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
    """Everything by opaque pair keys: nothing here says which side is real, or why a pair is in the list."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock

    async def page(self, request: Request) -> Response:
        """The page on which pairs are judged."""
        return HTMLResponse(pair_page(request.scope[READER_KEY]))

    async def lists(self, request: Request) -> Response:
        """The lists that are open, newest first, with how far this judge is."""
        reader: SignedInReader = request.scope[READER_KEY]
        return JSONResponse(await run_in_threadpool(self._lists, reader.reader_id))

    def _lists(self, reader_id: int) -> dict[str, Any]:
        with self.project.database.read() as session:
            return {"lists": [asdict(one) for one in list_open_pair_lists(session, reader_id)]}

    async def following(self, request: Request) -> Response:
        """The next pairs of one list that this judge has not judged."""
        reader: SignedInReader = request.scope[READER_KEY]
        pair_list_id: int = request.path_params["pair_list_id"]
        return JSONResponse(await run_in_threadpool(self._following, reader.reader_id, pair_list_id))

    def _following(self, reader_id: int, pair_list_id: int) -> dict[str, Any]:
        with self.project.database.read() as session:
            return {"pairs": [asdict(one) for one in find_next_pairs(session, reader_id, pair_list_id, AHEAD)]}

    def pixels(self, request: Request) -> Response:
        """One picture of a pair."""
        started = time.perf_counter()
        with self.project.database.read() as session:
            digest = find_pair_image(session, request.path_params["key"], request.path_params["side"])
        return raw_pixels(self.project.store, digest, started)

    async def record(self, request: Request) -> Response:
        """Commit one judgement, or the taking back of one, before it is acknowledged."""
        said = parse_json(Judgement, await request.body())
        reader: SignedInReader = request.scope[READER_KEY]
        await run_in_threadpool(self._record, reader.reader_id, said)
        return JSONResponse({"state": "saved"})

    def _record(self, reader_id: int, said: Judgement) -> None:
        with self.project.database.write() as session:
            record_judgement(session, self.project.chain, self.clock(), reader_id, said)
