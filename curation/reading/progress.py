"""How far a reader is in a worklist, and what a withdrawal took from what they have yet to read."""

import math
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.reading.escalation import waiting_adjudications
from curation.reading.outcomes import stands
from curation.reading.recipe import WorklistRecipe, recipe_of
from curation.reading.worklist import open_worklist
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import (
    Assignment,
    AssignmentPurpose,
    AssignmentState,
    Purpose,
    ReaderCursor,
    Reading,
    Worklist,
    WorklistItem,
    WorklistKind,
)
from curation.tables.withdrawals import Affected, AffectedKind


@dataclass(frozen=True, slots=True)
class Gone:
    """Items that a reader will not be handed: shared ones, the slots they had left, and those of every reader."""

    shared: int = 0
    slots: int = 0
    own: int = 0

    @property
    def items(self) -> int:
        """All of them."""
        return self.shared + self.own


def gone_for(session: Session, worklist: Worklist, reader_id: int) -> Gone:
    """What a withdrawal took from the images that this reader has yet to read; nothing, at no cost, without one."""
    # From the few tombstones to the items: the other way round it would walk the whole worklist at every reading.
    query = select(WorklistItem.id, WorklistItem.purpose).select_from(Affected)
    query = query.join(WorklistItem, WorklistItem.image_id == Affected.target_id)
    rows = session.execute(
        query.where(Affected.kind == AffectedKind.IMAGE, WorklistItem.worklist_id == worklist.id)
    ).all()
    if not rows:
        return Gone()
    given = select(Reading.item_id, Reading.reader_id).where(Reading.item_id.in_([row.id for row in rows]), stands())
    read = session.execute(given).all()
    mine = {item_id for item_id, reader in read if reader == reader_id}
    readers = Counter(item_id for item_id, _ in read)
    is_turing = worklist.kind is WorklistKind.TURING
    shared = [row.id for row in rows if row.purpose in (Purpose.CANDIDATE, Purpose.GATE_AUDIT) and not is_turing]
    own = {row.id for row in rows} - set(shared)
    return Gone(
        shared=len(set(shared) - mine),
        slots=sum(max(0, worklist.readers_per_image - readers[item_id]) for item_id in shared),
        own=len(own - mine),
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How many images of a worklist a reader has read, how many are left to them, and how many there are.

    Where images come back unannounced, `left` is `about` so many, in tens: an exact count would stand still on each.
    """

    done: int
    left: int
    total: int
    about: bool = False


def progress(session: Session, reader_id: int, worklist_id: int, mode: str = "single", ended: bool = False) -> Progress:
    """From counters kept with each reading: one row per reader of the worklist, never a count of readings.

    `ended` says that a claim has just found nothing.
    """
    worklist = open_worklist(session, worklist_id)
    cursor = session.get(ReaderCursor, (reader_id, worklist_id))
    if mode == "adjudicate":
        waiting = waiting_adjudications(session, worklist_id)
        return Progress(0, waiting, waiting)
    done, pooled, controls = (cursor.done, cursor.pooled_done, cursor.controls_done) if cursor else (0, 0, 0)
    by_people = session.scalar(
        select(func.sum(ReaderCursor.pooled_done))
        .join(Reader, Reader.id == ReaderCursor.reader_id)
        .where(ReaderCursor.worklist_id == worklist_id, Reader.kind == ReaderKind.HUMAN)
    )
    candidates = worklist.size - worklist.controls
    free_slots = candidates * worklist.readers_per_image - int(by_people or 0)
    gone = gone_for(session, worklist, reader_id)
    if cursor is None or cursor.allotted is None:
        shared = max(0, min(candidates - pooled - gone.shared, free_slots - gone.slots))
    else:
        shared = max(0, cursor.allotted - pooled)  # what was withdrawn of a share is taken off it
    left = shared + worklist.controls - controls - gone.own
    recipe = recipe_of(worklist)
    if not comes_back(session, worklist.id, recipe, reader_id):
        return Progress(done, left, worklist.size - gone.items)
    tens = max(10, math.ceil(left * (1 + recipe.repeat_share) / 10) * 10)
    rounded = 0 if ended and left == 0 else tens
    return Progress(done, rounded, done + rounded, about=True)


def comes_back(session: Session, worklist_id: int, recipe: WorklistRecipe, reader_id: int) -> bool:
    """Whether images of this worklist come back to this reader: as repeats, or as audits of their pages."""
    if recipe.repeat_share:
        return True
    unread = select(Assignment.id).where(
        Assignment.reader_id == reader_id,
        Assignment.worklist_id == worklist_id,
        Assignment.state.in_([AssignmentState.OPEN, AssignmentState.LEASED]),
        Assignment.purpose == AssignmentPurpose.GRID_AUDIT,
    )
    return session.scalars(unread.limit(1)).first() is not None
