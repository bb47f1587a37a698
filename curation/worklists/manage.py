"""Run a worklist: pause and resume it, set its readers, release leases, change the rule.

Every change is an event in the chain. Readings stay as they are: a new rule makes other outcomes of them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, delete, select, update
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import BadInput, Conflict
from curation.readers.accounts import find_reader
from curation.reading.escalation import update_all_extra_slots
from curation.reading.outcome_rule import OutcomeRule
from curation.reading.outcomes import recompute_outcomes
from curation.reading.recipe import recipe_of
from curation.reading.slots import MOST_READERS, PROXY_SLOT
from curation.reading.worklist import find_worklist
from curation.tables.reading import (
    Assignment,
    AssignmentPurpose,
    AssignmentState,
    ReaderCursor,
    Worklist,
    WorklistKind,
    WorklistReader,
)

RULES = ("single", "majority", "unanimous", "adjudicated")


def pause_worklist(session: Session, chain: Chain, now: datetime, name: str) -> Worklist:
    """Assign no more images for now; verdicts on images already assigned are saved. Pausing again changes nothing."""
    worklist = _open(session, name)
    if worklist.paused_at is None:
        with chain.change(session, "worklist.paused", worklist, {}, now):
            worklist.paused_at = now
    return worklist


def resume_worklist(session: Session, chain: Chain, now: datetime, name: str) -> Worklist:
    """Assign images again; resuming a worklist that is not paused changes nothing."""
    worklist = _open(session, name)
    if worklist.paused_at is not None:
        with chain.change(session, "worklist.resumed", worklist, {}, now):
            worklist.paused_at = None
    return worklist


def set_readers(session: Session, chain: Chain, now: datetime, name: str, readers: Sequence[str]) -> Worklist:
    """Set who may read from now on; without names every reader may. Raises NotFound for an unknown name."""
    worklist = _open(session, name)
    ids = [find_reader(session, reader).id for reader in dict.fromkeys(readers)]
    with chain.change(session, "worklist.readers_set", worklist, {"readers": ids}, now):
        session.execute(delete(WorklistReader).where(WorklistReader.worklist_id == worklist.id))
        session.add_all(WorklistReader(worklist_id=worklist.id, reader_id=reader_id) for reader_id in ids)
        _free_shares_of_others(session, worklist, ids)
    return worklist


def _free_shares_of_others(session: Session, worklist: Worklist, ids: Sequence[int]) -> None:
    """Open to everyone what was dealt out to readers who are no longer named."""
    removed = select(ReaderCursor.reader_id).where(
        ReaderCursor.worklist_id == worklist.id, ReaderCursor.allotted.is_not(None), ReaderCursor.reader_id.not_in(ids)
    )
    if ids:
        _free_for_all(session, worklist, session.scalars(removed).all(), AssignmentState.OPEN)


def readers_of(session: Session, worklist_id: int) -> list[int]:
    """List the ids of those who may read; an empty list means every reader."""
    named = select(WorklistReader.reader_id).where(WorklistReader.worklist_id == worklist_id)
    return list(session.scalars(named.order_by(WorklistReader.reader_id)))


def release_leases(session: Session, chain: Chain, now: datetime, name: str, reader: str | None = None) -> int:
    """Release images that are leased and not read, of one reader or of all; returns how many.

    Where shares were dealt out, the share of a reader who is named goes to everyone; without a name all keep theirs.
    """
    worklist = _open(session, name)
    reader_id = None if reader is None else find_reader(session, reader).id
    if reader_id is not None:
        count = _free_for_all(session, worklist, [reader_id])
    else:
        leased = _held_or_dealt(worklist, AssignmentState.LEASED)
        released = {"state": AssignmentState.OPEN, "lease_until": None, "sequence": None}
        dealt = worklist.readers_per_image if recipe_of(worklist).shares == "allotted" else 0
        count = _update(session, [*leased, Assignment.slot < dealt], released)
        count += _update(session, leased, released | {"reader_id": None})
    payload = {"worklist": worklist.id, "reader": reader_id, "assignments": count}
    chain.record(session, "worklist.released", payload, now)
    return count


def _free_for_all(session: Session, worklist: Worklist, reader_ids: Sequence[int], *states: AssignmentState) -> int:
    """Open to everyone what these readers hold or were dealt out and have not read; returns how many slots."""
    held = _held_or_dealt(worklist, *(states or (AssignmentState.OPEN, AssignmentState.LEASED)))
    unassigned = {"state": AssignmentState.OPEN, "reader_id": None, "lease_until": None, "sequence": None}
    count = 0
    for reader_id in reader_ids:
        count += _update(session, [*held, Assignment.reader_id == reader_id], unassigned)
        cursor = session.get(ReaderCursor, (reader_id, worklist.id))
        if cursor is not None and cursor.allotted is not None:
            cursor.allotted = cursor.pooled_done
    return count


def _held_or_dealt(worklist: Worklist, *states: AssignmentState) -> list[ColumnElement[bool]]:
    return [
        Assignment.worklist_id == worklist.id,
        Assignment.state.in_(states),
        (Assignment.slot < PROXY_SLOT) | (Assignment.purpose == AssignmentPurpose.ADJUDICATION),
    ]


def _update(session: Session, where: Sequence[ColumnElement[bool]], values: dict[str, Any]) -> int:
    statement = update(Assignment).where(*where).values(**values).execution_options(synchronize_session=False)
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount


def change_rule(session: Session, chain: Chain, now: datetime, name: str, kind: str, readers: int) -> dict[str, int]:
    """Change the rule and recompute the outcomes; returns counts by verdict.

    Images that need another reader or an adjudicator under the new rule get a slot. Raises BadInput for a rule that
    does not exist, Conflict for a worklist whose verdicts do not count.
    """
    worklist = find_worklist(session, name)
    if worklist.kind is not WorklistKind.VERDICT:
        raise Conflict(f"worklist {name!r} has no outcomes, so it has no rule to change.")
    if kind not in RULES or not 1 <= readers <= MOST_READERS:
        raise BadInput(f"expected a rule of {', '.join(RULES)} with 1 to {MOST_READERS} readers, got {kind} {readers}.")
    if (kind == "single") != (readers == 1):
        raise BadInput("the rule `single` goes with one reader per image, every other with two or more.")
    rule = OutcomeRule(kind, readers)  # type: ignore[arg-type]  # one of RULES
    before = OutcomeRule(**worklist.rule)
    payload = {"before": before.digest, "after": rule.digest}
    with chain.change(session, "worklist.rule_changed", worklist, payload, now):
        worklist.rule = {"kind": kind, "readers": readers}
        session.flush()
        update_all_extra_slots(session, worklist, before.readers)
        worklist.readers_per_image = readers
    return recompute_outcomes(session, worklist.id)


def _open(session: Session, name: str) -> Worklist:
    worklist = find_worklist(session, name)
    if worklist.closed_at is not None:
        raise Conflict(f"worklist {name!r} is closed; its readings stand.")
    return worklist
