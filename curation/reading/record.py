"""Record a verdict once; take it back by another row."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import BadInput, Conflict, NotFound
from curation.reading.escalation import update_extra_slots
from curation.reading.grid_audits import close_audit, is_to_be_audited, open_audit
from curation.reading.recipe import WorklistRecipe, recipe_of
from curation.reading.request import ReadingRequest, check_request
from curation.reading.slots import CONTROL_SLOT, PROXY_SLOT, REPEAT_SLOT, lock_cursor
from curation.reading.worklist import open_worklist
from curation.tables.content import CONTENT, reading_values
from curation.tables.reading import (
    Assignment,
    AssignmentPurpose,
    AssignmentState,
    ReaderCursor,
    Reading,
    Verdict,
    Worklist,
    WorklistKind,
)


def record_reading(session: Session, chain: Chain, now: datetime, reader_id: int, request: ReadingRequest) -> bool:
    """Record a verdict; the same `op_id` again changes nothing. Returns whether it was recorded before.

    A lease that ran out still counts while nobody else has the image. Raises NotFound for an unknown assignment,
    Conflict when another reader has the image or it was read before, BadInput for what the worklist does not ask.
    """
    assignment, cursor = _locked(session, reader_id, Assignment.key == request.assignment_key)
    if _is_recorded(session, request.op_id, reader_id, assignment.id):
        return True
    if assignment.reader_id != reader_id:
        raise Conflict("another reader has this image by now; your verdict on it was not saved.")
    worklist = open_worklist(session, assignment.worklist_id)
    _check_state(session, assignment, request)
    recipe = recipe_of(worklist)
    check_request(session, worklist, recipe, assignment, request)
    reading = Reading(
        **request.model_dump(exclude={"assignment_key", "reasons", "ratings", "mark"}),
        assignment_id=assignment.id,
        item_id=assignment.item_id,
        reader_id=reader_id,
        reasons=list(request.reasons),
        ratings=request.ratings,
        mark=request.mark.model_dump(exclude_none=True) if request.mark else None,
        created_at=now,
    )
    session.add(reading)
    if not request.after_reveal:
        assignment.state, assignment.lease_until = AssignmentState.DONE, None
        _count(cursor, assignment, 1)
    session.flush()
    _update_slots(session, worklist, recipe, assignment, request.mode, request.verdict)
    _record(session, chain, now, "reading.recorded", reading, assignment, {"assignment": assignment.id})
    return False


def void_reading(session: Session, chain: Chain, now: datetime, reader_id: int, op_id: str, voids_op_id: str) -> None:
    """Take a reading back by another row that voids it; the reader holds its image again. Again, it changes nothing.

    Raises NotFound when the reader has no such reading, Conflict when it was taken back before, when the worklist is
    closed, or when others' verdicts or the answer were shown since.
    """
    target = session.scalars(
        select(Reading).where(Reading.op_id == voids_op_id, Reading.reader_id == reader_id, Reading.voids_id.is_(None))
    ).one_or_none()
    if target is None:
        raise NotFound("there is no reading of yours to take back under this id.")
    assignment, cursor = _locked(session, reader_id, Assignment.id == target.assignment_id)
    if _is_recorded(session, op_id, reader_id, assignment.id):
        return
    if session.scalars(select(Reading.id).where(Reading.voids_id == target.id)).first() is not None:
        raise Conflict("this reading was taken back already.")
    worklist = open_worklist(session, assignment.worklist_id)
    if worklist.closed_at is not None:
        raise Conflict("this worklist is closed; its readings stand.")
    if assignment.purpose is AssignmentPurpose.ADJUDICATION or worklist.kind is WorklistKind.PRACTICE:
        raise Conflict("the others' verdicts or the answer were shown since; this verdict stands.")
    void = Reading(
        op_id=op_id,
        assignment_id=assignment.id,
        item_id=assignment.item_id,
        reader_id=reader_id,
        voids_id=target.id,
        reasons=[],
        mode=target.mode,
        page_id=target.page_id,
        read_at=now,
        created_at=now,
    )
    session.add(void)
    recipe = recipe_of(worklist)
    assignment.state, assignment.lease_until = AssignmentState.LEASED, now + timedelta(seconds=recipe.lease_s)
    _count(cursor, assignment, -1)
    session.flush()
    _update_slots(session, worklist, recipe, assignment, target.mode, target.verdict, taken_back=True)
    _record(session, chain, now, "reading.voided", void, assignment, {"voids": target.id})


def _record(
    session: Session,
    chain: Chain,
    now: datetime,
    kind: str,
    reading: Reading,
    assignment: Assignment,
    payload: dict[str, int],
) -> None:
    """Record a reading with its digest, made of the rows at hand: reading them back would slow every verdict."""
    content = chain.digest(reading_values(reading, assignment))
    chain.record(session, kind, {"reading": reading.id, **payload, CONTENT: content}, now)


def _count(cursor: ReaderCursor, assignment: Assignment, step: int) -> None:
    """Add `step` to the reader's counters, so that progress never counts rows."""
    cursor.done += step
    if assignment.slot < PROXY_SLOT:
        cursor.pooled_done += step
    elif CONTROL_SLOT <= assignment.slot < REPEAT_SLOT:
        cursor.controls_done += step


def _update_slots(
    session: Session,
    worklist: Worklist,
    recipe: WorklistRecipe,
    assignment: Assignment,
    mode: str,
    verdict: Verdict | None,
    taken_back: bool = False,
) -> None:
    """Open or remove the slots that follow from a reading: an audit, another reader, an adjudicator."""
    unmarked = mode == "grid" and verdict is Verdict.ACCEPT
    reader_id, item_id = assignment.reader_id, assignment.item_id
    assert reader_id is not None
    if unmarked and taken_back:
        close_audit(session, reader_id, item_id)
    elif unmarked and is_to_be_audited(worklist.id, recipe, reader_id, item_id):
        open_audit(session, worklist.id, reader_id, item_id, assignment.position)
    if verdict is Verdict.UNSURE or worklist.rule["kind"] == "adjudicated":
        update_extra_slots(session, worklist, item_id)


def _locked(session: Session, reader_id: int, which: ColumnElement[bool]) -> tuple[Assignment, ReaderCursor]:
    """Lock the reader's cursor, then the assignment: the order in which a claim locks them."""
    worklist_id = session.scalars(select(Assignment.worklist_id).where(which)).one_or_none()
    if worklist_id is None:
        raise NotFound("there is no assignment with this key.")
    cursor = lock_cursor(session, reader_id, worklist_id)
    return session.scalars(select(Assignment).where(which).with_for_update()).one(), cursor


def _is_recorded(session: Session, op_id: str, reader_id: int, assignment_id: int) -> bool:
    """Whether this operation was recorded before; raises Conflict when the id stands for another one."""
    row = session.execute(select(Reading.reader_id, Reading.assignment_id).where(Reading.op_id == op_id)).one_or_none()
    if row is not None and tuple(row) != (reader_id, assignment_id):
        raise Conflict("this operation id is in use. Make a new one.")
    return row is not None


def _check_state(session: Session, assignment: Assignment, request: ReadingRequest) -> None:
    done = assignment.state is AssignmentState.DONE
    if not request.after_reveal:
        if done:
            raise Conflict("you have read this image already; undo that reading first.")
        return
    if assignment.purpose is not AssignmentPurpose.ADJUDICATION or not done:
        raise BadInput("a verdict changes after a reveal only in an adjudication, and after its blind verdict.")
    changed = select(Reading.id).where(Reading.assignment_id == assignment.id, Reading.after_reveal)
    if session.scalars(changed).first() is not None:
        raise Conflict("you have changed this verdict already.")
