"""The routes of reading: lease images, fetch their pixels, record verdicts and undos."""

import time
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from curation.audit import anchor
from curation.errors import NotAllowed, NotFound, RoundsError, Unavailable
from curation.project import Project
from curation.readers.consent import require_consent
from curation.reading.claims import claim
from curation.reading.feedback import feedback_after
from curation.reading.grid_audits import has_waiting_audits
from curation.reading.progress import progress_of
from curation.reading.record import record_reading, void_reading
from curation.reading.request import ReadingRequest
from curation.reading.worklist import open_worklist
from curation.tables.images import Image
from curation.tables.reading import Assignment, WorklistItem
from review_ui.routes.raw_pixels import raw_pixels, wait_until
from review_ui.routes.requests import Claim, Operation, Operations, Undo, parse_json
from review_ui.security.guard import READER_KEY
from review_ui.security.permissions import Capability
from review_ui.security.sessions import Clock, SignedInReader

ANCHOR_EVERY = timedelta(minutes=5)
SAVED_AFTER_S = 0.04
SAVED_AFTER_S_PER_FURTHER = 0.01


class ReadingRoutes:
    """The routes by worklist and by opaque assignment keys; none says what an image is."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self.project = project
        self.clock = clock
        self.anchored_at: datetime | None = None

    async def claim(self, request: Request) -> Response:
        """Lease up to `count` images: the reader's own live leases first, so that a reload continues them."""
        wanted = parse_json(Claim, await request.body())
        reader: SignedInReader = request.scope[READER_KEY]
        if wanted.mode == "adjudicate" and not reader.can(Capability.ADJUDICATE):
            raise NotAllowed("only an adjudicator settles what readers disagree on.")
        worklist_id: int = request.path_params["worklist_id"]
        return JSONResponse(await run_in_threadpool(self._claim, reader.reader_id, worklist_id, wanted))

    def _claim(self, reader_id: int, worklist_id: int, wanted: Claim) -> dict[str, Any]:
        with self.project.database.write() as session:
            require_consent(session, reader_id)
            held = claim(session, self.clock(), reader_id, worklist_id, wanted.count, wanted.mode)
            items = [
                {
                    "key": item.key,
                    "shape": list(item.shape),
                    "bits": item.bits,
                    "label": item.shown_label,
                    "spacing": item.spacing,
                    "rescale": item.rescale,
                }
                for item in held
            ]
            state = progress_of(session, reader_id, worklist_id, wanted.mode, ended=not items)
            then_single = wanted.mode == "grid" and has_waiting_audits(session, reader_id, worklist_id)
            paused = open_worklist(session, worklist_id).paused_at is not None
            return {"items": items, "progress": asdict(state), "then_single": then_single, "paused": paused}

    def pixels(self, request: Request) -> Response:
        """Send the image of an assignment of this reader."""
        started = time.perf_counter()
        reader: SignedInReader = request.scope[READER_KEY]
        return raw_pixels(self.project.store, self._file(reader.reader_id, request.path_params["key"]), started)

    def _file(self, reader_id: int, key: str) -> str:
        with self.project.database.read() as session:
            digest = session.scalar(
                select(Image.file_sha256)
                .join(WorklistItem, WorklistItem.image_id == Image.id)
                .join(Assignment, Assignment.item_id == WorklistItem.id)
                .where(Assignment.key == key, Assignment.reader_id == reader_id, Image.withdrawn_at.is_(None))
            )
        if digest is None:
            raise NotFound("you hold no assignment with this key.")
        return digest

    async def record(self, request: Request) -> Response:
        """Commit each operation in its own transaction, in order, and report it as saved or refused.

        On a full disk none is acknowledged: the response is 503, and the viewer keeps all and sends them again.
        """
        sent = parse_json(Operations, await request.body())
        reader: SignedInReader = request.scope[READER_KEY]
        return JSONResponse(await run_in_threadpool(self._record, reader.reader_id, sent))

    def _record(self, reader_id: int, sent: Operations) -> dict[str, Any]:
        """Record operations and delay the response: a verdict on a candidate may take longer than one on a control.

        The verdict is committed before the wait, and the viewer shows the next image meanwhile.
        """
        started = time.perf_counter()
        results = [self._commit(reader_id, operation) for operation in sent.operations]
        with self.project.database.read() as session:
            self._anchor(session)
            state = progress_of(session, reader_id, sent.worklist_id, sent.mode)
        further = max(0, len(sent.operations) - 1)
        wait_until(started + SAVED_AFTER_S + further * SAVED_AFTER_S_PER_FURTHER)
        return {"results": results, "progress": asdict(state)}

    def _anchor(self, session: Session) -> None:
        """Anchor the chain at the first reading and every few minutes, so that a cut tail is noticed."""
        now = self.clock()
        if self.anchored_at is None or now - self.anchored_at >= ANCHOR_EVERY:
            anchor(session, self.project.anchors_path)
            self.anchored_at = now

    def _commit(self, reader_id: int, operation: Operation) -> dict[str, Any]:
        act = self._read if operation.kind == "reading" else self._undo
        try:
            answer = act(reader_id, operation)
        except Unavailable:
            raise
        except RoundsError as error:
            return {"op_id": operation.op_id, "state": "refused", "error": str(error)}
        except ValidationError:
            return {"op_id": operation.op_id, "state": "refused", "error": "the reading does not fit its form."}
        return {"op_id": operation.op_id, "state": "saved", **answer}

    def _read(self, reader_id: int, operation: Operation) -> dict[str, Any]:
        reading = ReadingRequest.model_validate({**operation.body, "op_id": operation.op_id})
        with self.project.database.write() as session:
            require_consent(session, reader_id)
            record_reading(session, self.project.chain, self.clock(), reader_id, reading)
            feedback = feedback_after(session, reading.op_id)
        return {name: value for name, value in asdict(feedback).items() if value is not None}

    def _undo(self, reader_id: int, operation: Operation) -> dict[str, Any]:
        undo = Undo.model_validate({**operation.body, "op_id": operation.op_id})
        with self.project.database.write() as session:
            require_consent(session, reader_id)
            void_reading(session, self.project.chain, self.clock(), reader_id, undo.op_id, undo.voids_op_id)
        return {}
