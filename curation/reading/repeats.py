"""Hidden repeats: which image a reader is shown again, and when."""

import math
from dataclasses import dataclass

from sqlalchemy import exists, insert, select
from sqlalchemy.orm import Session, aliased

from curation.provenance.withdrawn import withdrawn_items
from curation.reading.order import share_of
from curation.reading.slots import REPEAT_SLOT, LeaseTerms, slot_values
from curation.tables.reading import Assignment, AssignmentPurpose

APART = 50  # images between the two readings of a hidden repeat, at least
JITTER = 100  # up to so many more, so that nobody can foresee a repeat by counting
WINDOW = 1_000  # assignments after which a repeat that was not shown is dropped


@dataclass(frozen=True, slots=True)
class Repeat:
    """An image to be shown again: not before assignment number `earliest`, preferably at `due`."""

    item_id: int
    position: int
    earliest: int
    due: int


def draw_repeats(session: Session, terms: LeaseTerms) -> list[Repeat]:
    """Draw the repeats among what this reader was assigned lately, the earliest due first."""
    worklist, cursor, recipe = terms.worklist, terms.cursor, terms.recipe
    if not recipe.repeat_share:
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
    repeats = []
    for item_id, position, sequence in rows:
        assert sequence is not None
        key = f"{recipe.seed}:{worklist.id}:{cursor.reader_id}:{item_id}"
        if share_of(f"{key}:repeat") < recipe.repeat_share:
            earliest = sequence + APART + 1
            repeats.append(Repeat(item_id, position, earliest, earliest + math.floor(JITTER * share_of(f"{key}:when"))))
    return sorted(repeats, key=lambda repeat: (repeat.due, repeat.item_id))


def add_repeat(session: Session, terms: LeaseTerms, repeat: Repeat) -> int:
    """Assign the second reading of an image; returns the assignment's id."""
    slot = REPEAT_SLOT + terms.cursor.reader_id
    values = slot_values(terms.worklist.id, repeat.item_id, repeat.position, slot, AssignmentPurpose.REPEAT)
    added = session.execute(insert(Assignment).returning(Assignment.id), [values | terms.lease])
    return added.scalar_one()
