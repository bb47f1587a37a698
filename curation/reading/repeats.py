"""Images that come back without a word: hidden repeats, and the single audit of what a grid left unmarked."""

import math
from dataclasses import dataclass

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.orm import Session, aliased

from curation.provenance.withdrawn import withdrawn_items
from curation.reading.assignment import Handing
from curation.reading.order import share_of
from curation.reading.slots import AUDIT_SLOT, REPEAT_SLOT, slot_values
from curation.tables.reading import Assignment, AssignmentPurpose, AssignmentState, Worklist

APART = 50  # images between the two readings of a hidden repeat, at least
JITTER = 100  # and up to so many more, so that nobody can count them out
WINDOW = 1_000  # hand-outs after which a repeat that was not given is given up
AUDITS_AMONG = 6  # of so many images at most one is an audit while there are others


@dataclass(frozen=True, slots=True)
class Repeat:
    """An image to be shown again: not before hand-out number `earliest`, and if there is a choice at `due`."""

    item_id: int
    position: int
    earliest: int
    due: int


def is_to_be_audited(worklist: Worklist, reader_id: int, item_id: int) -> bool:
    """Whether an image that this reader leaves unmarked in a grid belongs to the share that comes back."""
    drawn = share_of(f"{worklist.recipe.get('seed', 0)}:{worklist.id}:{reader_id}:{item_id}:audit")
    return drawn < float(worklist.recipe.get("grid_audit_share", 0.0))


def open_audit(session: Session, worklist_id: int, reader_id: int, item_id: int, position: int) -> None:
    """Keep an open slot for this reader alone; it is handed out with their next single images."""
    kept = select(Assignment.id).where(
        Assignment.item_id == item_id,
        Assignment.reader_id == reader_id,
        Assignment.purpose == AssignmentPurpose.GRID_AUDIT,
    )
    if session.scalars(kept).first() is not None or item_id in session.scalars(withdrawn_items()).all():
        return
    values = slot_values(worklist_id, item_id, position, AUDIT_SLOT + reader_id, AssignmentPurpose.GRID_AUDIT)
    session.execute(insert(Assignment), [values | {"reader_id": reader_id}])


def close_audit(session: Session, reader_id: int, item_id: int) -> None:
    """The page was taken back: its audit goes with it, unless it was handed out already."""
    waiting = delete(Assignment).where(
        Assignment.item_id == item_id,
        Assignment.reader_id == reader_id,
        Assignment.purpose == AssignmentPurpose.GRID_AUDIT,
        Assignment.state == AssignmentState.OPEN,
    )
    session.execute(waiting)


def comes_back(session: Session, worklist: Worklist, reader_id: int) -> bool:
    """Whether images of this worklist come back to this reader: as repeats, or as audits of their pages."""
    if worklist.recipe.get("repeat_share"):
        return True
    unread = select(Assignment.id).where(
        Assignment.reader_id == reader_id,
        Assignment.worklist_id == worklist.id,
        Assignment.state.in_([AssignmentState.OPEN, AssignmentState.LEASED]),
        Assignment.purpose == AssignmentPurpose.GRID_AUDIT,
    )
    return session.scalars(unread.limit(1)).first() is not None


def waiting_audits(session: Session, reader_id: int, worklist_id: int, limit: int) -> list[int]:
    """Audits that wait for this reader."""
    query = select(Assignment.id).where(
        Assignment.reader_id == reader_id,
        Assignment.worklist_id == worklist_id,
        Assignment.state == AssignmentState.OPEN,
        Assignment.purpose == AssignmentPurpose.GRID_AUDIT,
    )
    return list(session.scalars(query.order_by(Assignment.id).limit(limit)))


def repeats_to_come(session: Session, handing: Handing) -> list[Repeat]:
    """What this reader was handed lately and is to meet again, the first due first."""
    worklist, cursor = handing.worklist, handing.cursor
    share = float(worklist.recipe.get("repeat_share", 0.0))
    if not share:
        return []
    again = aliased(Assignment)
    rows = session.execute(
        select(Assignment.item_id, Assignment.position, Assignment.sequence).where(
            Assignment.reader_id == cursor.reader_id,
            Assignment.worklist_id == worklist.id,
            Assignment.sequence > cursor.handed_out - WINDOW,
            Assignment.purpose == AssignmentPurpose.FIRST,
            Assignment.item_id.not_in(withdrawn_items()),
            ~exists().where(
                again.item_id == Assignment.item_id,
                again.reader_id == cursor.reader_id,
                again.purpose == AssignmentPurpose.REPEAT,
            ),
        )
    )
    found = []
    for item_id, position, sequence in rows:
        assert sequence is not None
        key = f"{worklist.recipe.get('seed', 0)}:{worklist.id}:{cursor.reader_id}:{item_id}"
        if share_of(f"{key}:repeat") < share:
            earliest = sequence + APART + 1
            found.append(Repeat(item_id, position, earliest, earliest + math.floor(JITTER * share_of(f"{key}:when"))))
    return sorted(found, key=lambda repeat: (repeat.due, repeat.item_id))


def add_repeat(session: Session, handing: Handing, repeat: Repeat) -> int:
    """A slot for the second reading; returns its id."""
    slot = REPEAT_SLOT + handing.cursor.reader_id
    values = slot_values(handing.worklist.id, repeat.item_id, repeat.position, slot, AssignmentPurpose.REPEAT)
    added = session.execute(insert(Assignment).returning(Assignment.id), [values | handing.lease])
    return added.scalar_one()


def hand_out_audits(session: Session, handing: Handing, ids: list[int]) -> None:
    """Lease audits to the reader they are kept for."""
    if ids:
        session.execute(update(Assignment).where(Assignment.id.in_(ids)).values(**handing.lease))
