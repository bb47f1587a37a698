"""Reading: record verdicts once, take them back by another row, and count without counting."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.claims import LEASE_S, locked_cursor, open_worklist
from curation.errors import BadInput, Conflict, NotFound
from curation.models.people import Reader, ReaderKind
from curation.models.reading import Assignment, AssignmentState, ReaderCursor, Reading, Verdict, Worklist


class ReadingRequest(BaseModel):
    """One verdict as the client sends it; `op_id` makes sending it again harmless."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    op_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    assignment_key: str = Field(pattern=r"^[0-9a-f]{32}$")
    verdict: Verdict
    reasons: tuple[str, ...] = Field(default=(), max_length=20)
    corrected_label: str | None = Field(default=None, max_length=100)
    comment: str | None = Field(default=None, max_length=2_000)
    elapsed_ms: int | None = Field(default=None, ge=0, lt=2**31)
    mode: Literal["single", "grid"] = "single"
    read_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """A committed reading is in the record once; `repeated` says that it was there before."""

    op_id: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How many images of a worklist a reader has read, how many are left to them, and how many there are."""

    done: int
    left: int
    total: int


def record_reading(session: Session, chain: Chain, now: datetime, reader_id: int, request: ReadingRequest) -> Recorded:
    """Append one verdict; the same `op_id` again is the same reading.

    A lease that ran out is honoured while nobody else took the image. Raises NotFound for an assignment that is not
    there, Conflict when another reader has it by now or it was read before, BadInput for a reason or a class that the
    worklist does not have.
    """
    assignment, cursor = _locked(session, reader_id, Assignment.key == request.assignment_key)
    if _is_recorded(session, request.op_id, reader_id):
        return Recorded(request.op_id, repeated=True)
    if assignment.reader_id != reader_id:
        raise Conflict("another reader has taken this image since; your verdict on it was not kept.")
    if assignment.state is AssignmentState.DONE:
        raise Conflict("you have read this image already; undo that reading first.")
    _check(open_worklist(session, assignment.worklist_id), request)
    reading = Reading(
        op_id=request.op_id,
        assignment_id=assignment.id,
        item_id=assignment.item_id,
        reader_id=reader_id,
        verdict=request.verdict,
        corrected_label=request.corrected_label,
        reasons=list(request.reasons),
        comment=request.comment,
        mode=request.mode,
        elapsed_ms=request.elapsed_ms,
        read_at=request.read_at,
        created_at=now,
    )
    session.add(reading)
    assignment.state, assignment.lease_until = AssignmentState.DONE, None
    cursor.done += 1
    session.flush()
    chain.record(session, "reading.recorded", {"reading": reading.id, "assignment": assignment.id}, now)
    return Recorded(request.op_id, repeated=False)


def void_reading(
    session: Session, chain: Chain, now: datetime, reader_id: int, op_id: str, voids_op_id: str, lease_s: int = LEASE_S
) -> Recorded:
    """Take a reading back by a row that voids it; its image is leased to the reader again.

    Raises NotFound when the reader has no such reading, Conflict when it was taken back before or the worklist is
    closed.
    """
    target = session.scalars(
        select(Reading).where(Reading.op_id == voids_op_id, Reading.reader_id == reader_id, Reading.voids_id.is_(None))
    ).one_or_none()
    if target is None:
        raise NotFound("there is no reading of yours to take back under this id.")
    assignment, cursor = _locked(session, reader_id, Assignment.id == target.assignment_id)
    if _is_recorded(session, op_id, reader_id):
        return Recorded(op_id, repeated=True)
    if session.scalars(select(Reading.id).where(Reading.voids_id == target.id)).first() is not None:
        raise Conflict("this reading was taken back already.")
    if open_worklist(session, assignment.worklist_id).closed_at is not None:
        raise Conflict("this worklist is closed; its readings stand.")
    void = Reading(
        op_id=op_id,
        assignment_id=assignment.id,
        item_id=assignment.item_id,
        reader_id=reader_id,
        voids_id=target.id,
        reasons=[],
        mode=target.mode,
        read_at=now,
        created_at=now,
    )
    session.add(void)
    assignment.state, assignment.lease_until = AssignmentState.LEASED, now + timedelta(seconds=lease_s)
    cursor.done -= 1
    session.flush()
    chain.record(session, "reading.voided", {"reading": void.id, "voids": target.id}, now)
    return Recorded(op_id, repeated=False)


def progress(session: Session, reader_id: int, worklist_id: int) -> Progress:
    """From counters kept with each reading: one row per reader of the worklist, never a count of readings."""
    worklist = open_worklist(session, worklist_id)
    done = session.scalar(
        select(ReaderCursor.done).where(ReaderCursor.reader_id == reader_id, ReaderCursor.worklist_id == worklist_id)
    )
    by_people = session.scalar(
        select(func.sum(ReaderCursor.done))
        .join(Reader, Reader.id == ReaderCursor.reader_id)
        .where(ReaderCursor.worklist_id == worklist_id, Reader.kind == ReaderKind.HUMAN)
    )
    free_slots = worklist.size * worklist.readers_per_image - int(by_people or 0)
    own = done or 0
    return Progress(own, min(worklist.size - own, free_slots), worklist.size)


def new_op_id() -> str:
    """A fresh operation id, as a client makes them."""
    return uuid.uuid4().hex


def _locked(session: Session, reader_id: int, which: ColumnElement[bool]) -> tuple[Assignment, ReaderCursor]:
    """The assignment and the reader's cursor, locked in the order in which a claim locks them."""
    worklist_id = session.scalars(select(Assignment.worklist_id).where(which)).one_or_none()
    if worklist_id is None:
        raise NotFound("there is no assignment with this key.")
    cursor = locked_cursor(session, reader_id, worklist_id)
    return session.scalars(select(Assignment).where(which).with_for_update()).one(), cursor


def _is_recorded(session: Session, op_id: str, reader_id: int) -> bool:
    by = session.scalars(select(Reading.reader_id).where(Reading.op_id == op_id)).one_or_none()
    if by is not None and by != reader_id:
        raise Conflict("this operation id is in use; make a new one.")
    return by is not None


def _check(worklist: Worklist, request: ReadingRequest) -> None:
    known = {reason["code"] for reason in worklist.reasons}
    unknown = [reason for reason in request.reasons if reason not in known]
    if unknown:
        raise BadInput(f"expected reasons of {', '.join(sorted(known))}; got {', '.join(unknown)}.")
    if request.corrected_label is not None and request.corrected_label not in worklist.classes:
        raise BadInput(f"expected a class of {', '.join(worklist.classes)}; got {request.corrected_label!r}.")
