"""Hidden repeats: which image a reader is shown again, and when."""

import math
from dataclasses import dataclass

from sqlalchemy import exists, insert, select
from sqlalchemy.orm import Session, aliased

from curation.provenance.withdrawn import withdrawn_items
from curation.reading.order import share_of
from curation.reading.slots import REPEAT_SLOT, Handing, slot_values
from curation.tables.reading import Assignment, AssignmentPurpose

APART = 50  # images between the two readings of a hidden repeat, at least
JITTER = 100  # and up to so many more, so that nobody can count them out
WINDOW = 1_000  # hand-outs after which a repeat that was not given is given up


@dataclass(frozen=True, slots=True)
class Repeat:
    """An image to be shown again: not before hand-out number `earliest`, and if there is a choice at `due`."""

    item_id: int
    position: int
    earliest: int
    due: int


def repeats_to_come(session: Session, handing: Handing) -> list[Repeat]:
    """What this reader was handed lately and is to meet again, the first due first."""
    worklist, cursor = handing.worklist, handing.cursor
    recipe = handing.recipe
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
    found = []
    for item_id, position, sequence in rows:
        assert sequence is not None
        key = f"{recipe.seed}:{worklist.id}:{cursor.reader_id}:{item_id}"
        if share_of(f"{key}:repeat") < recipe.repeat_share:
            earliest = sequence + APART + 1
            found.append(Repeat(item_id, position, earliest, earliest + math.floor(JITTER * share_of(f"{key}:when"))))
    return sorted(found, key=lambda repeat: (repeat.due, repeat.item_id))


def add_repeat(session: Session, handing: Handing, repeat: Repeat) -> int:
    """A slot for the second reading; returns its id."""
    slot = REPEAT_SLOT + handing.cursor.reader_id
    values = slot_values(handing.worklist.id, repeat.item_id, repeat.position, slot, AssignmentPurpose.REPEAT)
    added = session.execute(insert(Assignment).returning(Assignment.id), [values | handing.lease])
    return added.scalar_one()
