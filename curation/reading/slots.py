"""Reading slots: their numbers, their rows, and the reader's cursor that walks over them.

Slots below `PROXY_SLOT` are shared: the next reader takes one. Every other slot belongs to one reader, and its number
says for what; the slot of an adjudication belongs to the adjudicator who takes it.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from curation.errors import NotFound
from curation.reading.recipe import WorklistRecipe
from curation.tables.people import Reader
from curation.tables.reading import AssignmentPurpose, AssignmentState, ReaderCursor, Worklist

MOST_READERS = 5  # of one image, however unsure they are
PROXY_SLOT = 1_000
CONTROL_SLOT = 1_000_000
REPEAT_SLOT = 2_000_000
AUDIT_SLOT = 3_000_000
ADJUDICATION_SLOT = 4_000_000


def slot_values(
    worklist_id: int, item_id: int, position: int, slot: int, purpose: AssignmentPurpose = AssignmentPurpose.FIRST
) -> dict[str, Any]:
    """The columns of an open reading slot under a fresh opaque key."""
    return {
        "key": uuid.uuid4().hex,
        "worklist_id": worklist_id,
        "item_id": item_id,
        "slot": slot,
        "purpose": purpose,
        "position": position,
        "state": AssignmentState.OPEN,
    }


def make_cursor(reader_id: int, worklist_id: int, allotted: int | None = None) -> ReaderCursor:
    """Make a reader's cursor before the first image."""
    counters = dict.fromkeys(("handed_out", "done", "pooled_done", "controls_done"), 0)
    return ReaderCursor(reader_id=reader_id, worklist_id=worklist_id, position=-1, allotted=allotted, **counters)


def lock_cursor(session: Session, reader_id: int, worklist_id: int) -> ReaderCursor:
    """Lock the reader's cursor, so that two pages of one reader claim and read one after the other.

    Lock it before any assignment: the order is cursor, assignment, head of the event chain, in every function.
    """
    where = (ReaderCursor.reader_id == reader_id, ReaderCursor.worklist_id == worklist_id)
    query = select(ReaderCursor).where(*where).with_for_update()
    cursor = session.scalars(query).one_or_none()
    if cursor is not None:
        return cursor
    if session.get(Reader, reader_id) is None:
        raise NotFound(f"there is no reader {reader_id}.")
    try:
        with session.begin_nested():
            cursor = make_cursor(reader_id, worklist_id)
            session.add(cursor)
            session.flush()
            return cursor
    except IntegrityError:  # on PostgreSQL another page of the same reader may have added it meanwhile
        return session.scalars(query).one()


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """What a lease is made by: the reader's cursor, the worklist with its recipe, and the moment."""

    now: datetime
    worklist: Worklist
    recipe: WorklistRecipe
    cursor: ReaderCursor

    @property
    def until(self) -> datetime:
        """When the lease ends."""
        return self.now + timedelta(seconds=self.recipe.lease_s)

    @property
    def lease(self) -> dict[str, object]:
        """The columns that give a slot to this reader."""
        return {"state": AssignmentState.LEASED, "reader_id": self.cursor.reader_id, "lease_until": self.until}
