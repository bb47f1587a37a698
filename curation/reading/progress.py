"""How far a reader is in a worklist, and which of their images were withdrawn."""

import math
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.reading.assignment import count_adjudications, count_shared_left
from curation.reading.grid_audits import has_waiting_audits
from curation.reading.outcomes import stands
from curation.reading.recipe import WorklistRecipe, recipe_of
from curation.reading.slots import PROXY_SLOT
from curation.reading.worklist import open_worklist
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import (
    Assignment,
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
class WithdrawnItems:
    """Counts of withdrawn items that a reader has not read."""

    shared: int = 0
    slots: int = 0  # that the shared items had left, of all readers
    unshared: int = 0  # controls and whatever else every reader reads

    @property
    def items(self) -> int:
        """How many items there are together."""
        return self.shared + self.unshared


def withdrawn_items_of(session: Session, worklist: Worklist, reader_id: int) -> WithdrawnItems:
    """Count the withdrawn items that this reader has not read; costs nothing where nothing was withdrawn."""
    # From the few tombstones to the items: the other way round it would walk the whole worklist at every reading.
    of_worklist = (Affected.kind == AffectedKind.IMAGE, WorklistItem.worklist_id == worklist.id)
    query = select(WorklistItem.id, WorklistItem.purpose).select_from(Affected)
    query = query.join(WorklistItem, WorklistItem.image_id == Affected.target_id).where(*of_worklist)
    rows = session.execute(query).all()
    if not rows:
        return WithdrawnItems()
    standing = select(Reading.item_id, Reading.reader_id).where(Reading.item_id.in_([row.id for row in rows]), stands())
    read = session.execute(standing).all()
    read_by_reader = {item_id for item_id, reader in read if reader == reader_id}
    readers = Counter(item_id for item_id, _ in read)
    is_turing = worklist.kind is WorklistKind.TURING
    shared = [row.id for row in rows if row.purpose in (Purpose.CANDIDATE, Purpose.GATE_AUDIT) and not is_turing]
    unshared = {row.id for row in rows} - set(shared)
    return WithdrawnItems(
        shared=len(set(shared) - read_by_reader),
        slots=sum(max(0, worklist.readers_per_image - readers[item_id]) for item_id in shared),
        unshared=len(unshared - read_by_reader),
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How many images of a worklist a reader has read, how many are left, and how many there are.

    With hidden repeats or audits `left` is rounded to tens (`about`): an exact count would stand still on each of them.
    """

    done: int
    left: int
    total: int
    about: bool = False


def progress_of(
    session: Session, reader_id: int, worklist_id: int, mode: str = "single", ended: bool = False
) -> Progress:
    """Compute a reader's progress from counters that each reading keeps: it never counts readings.

    `ended` says that a claim has just given no image: then what may still come is counted, slot by slot. An image that
    can never come to this reader is not left.
    """
    worklist = open_worklist(session, worklist_id)
    is_over = worklist.closed_at is not None
    if mode == "adjudicate":
        settled, waiting = count_adjudications(session, worklist_id, reader_id)
        return Progress(settled, 0 if is_over else waiting, settled + waiting)
    cursor = session.get(ReaderCursor, (reader_id, worklist_id))
    done, controls = (cursor.done, cursor.controls_done) if cursor else (0, 0)
    withdrawn = withdrawn_items_of(session, worklist, reader_id)
    recipe = recipe_of(worklist)
    shared = (
        count_shared_left(session, worklist, recipe, reader_id)
        if ended
        else _estimate_shared_left(session, worklist, cursor, withdrawn)
    )
    left = 0 if is_over else shared + worklist.controls - controls - withdrawn.unshared
    if not has_repeats_or_audits(session, worklist.id, recipe, reader_id):
        return Progress(done, left, worklist.size - withdrawn.items)
    tens = max(10, math.ceil(left * (1 + recipe.repeat_share) / 10) * 10)
    rounded = 0 if (ended or is_over) and left == 0 else tens
    return Progress(done, rounded, done + rounded, about=True)


def _estimate_shared_left(
    session: Session, worklist: Worklist, cursor: ReaderCursor | None, withdrawn: WithdrawnItems
) -> int:
    """Estimate from counters how many candidates this reader may still get, without a look at the slots."""
    pooled = cursor.pooled_done if cursor else 0
    if cursor is not None and cursor.allotted is not None:
        return max(0, cursor.allotted - pooled)  # a withdrawal lowers `allotted`
    by_people = session.scalar(
        select(func.sum(ReaderCursor.pooled_done))
        .join(Reader, Reader.id == ReaderCursor.reader_id)
        .where(ReaderCursor.worklist_id == worklist.id, Reader.kind == ReaderKind.HUMAN)
    )
    candidates = worklist.size - worklist.controls
    free_slots = candidates * worklist.readers_per_image - int(by_people or 0)
    return max(0, min(candidates - pooled - withdrawn.shared, free_slots - withdrawn.slots))


def has_repeats_or_audits(session: Session, worklist_id: int, recipe: WorklistRecipe, reader_id: int) -> bool:
    """Whether this reader reads some images of the worklist again, as repeats or as audits of their pages."""
    return bool(recipe.repeat_share) or has_waiting_audits(session, reader_id, worklist_id)


def count_readings_by_people(session: Session, worklist: Worklist) -> tuple[int, int]:
    """Count the readings of candidates that people have given, and how many the worklist asks for.

    In a Turing test everybody who has begun reads every image; controls, repeats and audits count in no other list.
    """
    if worklist.kind is WorklistKind.TURING:
        of_people = (ReaderCursor.worklist_id == worklist.id, Reader.kind == ReaderKind.HUMAN)
        query = select(func.sum(ReaderCursor.done), func.count()).select_from(ReaderCursor).join(Reader)
        done, readers = session.execute(query.where(*of_people)).one()
        return done or 0, readers * worklist.size
    slots = (Assignment.worklist_id == worklist.id, Assignment.slot < PROXY_SLOT)
    done_slots = func.count().filter(Assignment.state == AssignmentState.DONE)
    given, wanted = session.execute(select(done_slots, func.count()).where(*slots)).one()
    return given, wanted
