"""What a reader is handed next: shared slots in the reader's own order, controls, hidden repeats and grid audits.

Shared slots are taken by one statement on both databases: a CTE picks free ones (skipping rows that others have locked,
on PostgreSQL) and feeds `UPDATE ... RETURNING`. A cursor per reader keeps a claim off what was read before.
"""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import ColumnElement, and_, bindparam, exists, insert, or_, select, update
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate

from curation.provenance.withdrawn import withdrawn_images
from curation.reading.order import order_of
from curation.reading.slots import CONTROL_SLOT, PROXY_SLOT, Handing, slot_values
from curation.tables.reading import (
    Assignment,
    AssignmentPurpose,
    AssignmentState,
    Purpose,
    WorklistItem,
    WorklistKind,
)

STEP = 512  # places looked at together
WALK = 2_048  # places that one claim walks at most before it takes whatever is free


def hand_out_first(session: Session, handing: Handing, wanted: int) -> list[int]:
    """Assignments of images the reader has not met, in their order; the cursor moves on past them."""
    cursor, worklist = handing.cursor, handing.worklist
    order = order_of(worklist.id, worklist.size, handing.recipe, cursor.reader_id)
    taken: list[int] = []
    walked = 0
    while len(taken) < wanted and walked < WALK and cursor.position + 1 < worklist.size:
        missing = wanted - len(taken)
        places = order.places(cursor.position + 1, min(STEP, max(32, 2 * missing)))
        found, passed = _at_places(session, handing, places, missing)
        taken += found
        cursor.position += passed
        walked += passed
    if len(taken) < wanted:
        taken += _left_over(session, handing, wanted - len(taken))
    return taken


def _at_places(session: Session, handing: Handing, places: Sequence[int], missing: int) -> tuple[list[int], int]:
    """Take what is free at the first `missing` of `places` that have something; says how many places that passed."""
    free = set(session.scalars(_free_places(), {**_bound(handing), "places": places}))
    controls = _controls_at(session, handing, places) if handing.worklist.controls else {}
    chosen = [place for place in places if place in free or place in controls][:missing]
    shared = [place for place in chosen if place in free]
    ids: dict[int, int] = {}
    if shared:
        values = {**_bound(handing), "places": shared, "wanted": len(shared)}
        ids = {row.position: row.id for row in session.execute(_take("placed"), values)}
    own = {place: controls[place] for place in chosen if place in controls and place not in free}
    ids |= _add_controls(session, handing, own)
    passed = places.index(chosen[-1]) + 1 if len(chosen) == missing else len(places)
    return [ids[place] for place in chosen if place in ids], passed


def _controls_at(session: Session, handing: Handing, places: Sequence[int]) -> dict[int, int]:
    """Controls at `places` that this reader was not handed, item by place; in a Turing test every image is one."""
    purposes = [Purpose.REAL_CONTROL, Purpose.DEFECT_CONTROL]
    if handing.worklist.kind is WorklistKind.TURING:
        purposes.append(Purpose.CANDIDATE)
    rows = session.execute(
        select(WorklistItem.position, WorklistItem.id).where(
            WorklistItem.worklist_id == handing.worklist.id,
            WorklistItem.position.in_(places),
            WorklistItem.purpose.in_(purposes),
            WorklistItem.image_id.not_in(withdrawn_images()),
            ~exists().where(Assignment.item_id == WorklistItem.id, Assignment.reader_id == handing.cursor.reader_id),
        )
    )
    return dict(rows.all())


def _add_controls(session: Session, handing: Handing, items: dict[int, int]) -> dict[int, int]:
    if not items:
        return {}
    slot = CONTROL_SLOT + handing.cursor.reader_id
    values = [slot_values(handing.worklist.id, item, place, slot) | handing.lease for place, item in items.items()]
    added = session.execute(insert(Assignment).returning(Assignment.position, Assignment.id), values)
    return dict(added.all())


def _left_over(session: Session, handing: Handing, missing: int) -> list[int]:
    """Slots behind the cursor that others gave back or left until their lease ran out."""
    taken: list[int] = []
    for free in ("open", "expired"):
        if len(taken) < missing:
            values = {**_bound(handing), "wanted": missing - len(taken), "at": handing.now}
            found = session.execute(_take(free), values).all()
            taken += [row.id for row in sorted(found, key=lambda row: int(row.position))]
    return taken


def _bound(handing: Handing) -> dict[str, object]:
    """`dealt` is the number of slots of an item that keep their reader even when a lease runs out."""
    dealt = handing.worklist.readers_per_image if handing.recipe.shares == "allotted" else 0
    return {
        "reader": handing.cursor.reader_id,
        "worklist": handing.worklist.id,
        "until": handing.until,
        "dealt": dealt,
    }


def _is_shared_and_new() -> list[ColumnElement[bool]]:
    other = aliased(Assignment)
    mine = exists().where(
        other.item_id == Assignment.item_id, other.reader_id == bindparam("reader"), other.id != Assignment.id
    )
    return [Assignment.worklist_id == bindparam("worklist"), Assignment.slot < PROXY_SLOT, ~mine]


def _is_open_to_me(slot: type[Assignment]) -> ColumnElement[bool]:
    """Open, and nobody's or dealt out to this reader."""
    is_mine = or_(slot.reader_id.is_(None), slot.reader_id == bindparam("reader"))
    return and_(slot.state == AssignmentState.OPEN, is_mine)


@cache
def _free_places():  # type: ignore[no-untyped-def]  # the statement's type is longer than the statement
    open_here = (_is_open_to_me(Assignment), Assignment.position.in_(bindparam("places", expanding=True)))
    return select(Assignment.position).where(*_is_shared_and_new(), *open_here)


@cache
def _take(free: str) -> ReturningUpdate[int, int]:
    """The claim of slots that are `placed`, `open` or `expired`; built once: building it costs more than a run."""

    def is_free(slot: type[Assignment]) -> ColumnElement[bool]:
        if free == "expired":
            ran_out = and_(slot.state == AssignmentState.LEASED, slot.lease_until < bindparam("at"))
            return and_(ran_out, slot.reader_id != bindparam("reader"), slot.slot >= bindparam("dealt"))
        return _is_open_to_me(slot)

    # Of two free slots of one item only the lower may be picked, or one statement would give a reader both; a slot that
    # was dealt out to this reader goes before either, since while it waits they may have no other of that item.
    other = aliased(Assignment)
    lower = exists().where(other.item_id == Assignment.item_id, other.slot < Assignment.slot, is_free(other))
    is_own = Assignment.reader_id == bindparam("reader")
    conditions = [*_is_shared_and_new(), is_free(Assignment), or_(is_own, ~lower)]
    if free == "placed":
        conditions.append(Assignment.position.in_(bindparam("places", expanding=True)))
    picked = (
        select(Assignment.id)
        .where(*conditions)
        .order_by(Assignment.position)
        .limit(bindparam("wanted"))
        .with_for_update(skip_locked=True, of=Assignment)
        .cte("picked")
    )
    return (
        update(Assignment)
        .where(Assignment.id.in_(select(picked.c.id)))
        .values(state=AssignmentState.LEASED, reader_id=bindparam("reader"), lease_until=bindparam("until"))
        .returning(Assignment.id, Assignment.position)
        .execution_options(synchronize_session=False)
    )


def hand_out_adjudications(session: Session, handing: Handing, wanted: int) -> list[int]:
    """Disputed images that this adjudicator has not read in any way."""
    other = aliased(Assignment)
    mine = exists().where(other.item_id == Assignment.item_id, other.reader_id == handing.cursor.reader_id)
    expired = and_(Assignment.state == AssignmentState.LEASED, Assignment.lease_until < handing.now)
    free = (
        select(Assignment.id)
        .where(
            Assignment.worklist_id == handing.worklist.id,
            Assignment.purpose == AssignmentPurpose.ADJUDICATION,
            (Assignment.state == AssignmentState.OPEN) | expired,
            ~mine,
        )
        .order_by(Assignment.position)
        .limit(wanted)
        .with_for_update(skip_locked=True)
    )
    ids = list(session.scalars(free))
    if ids:
        session.execute(update(Assignment).where(Assignment.id.in_(ids)).values(**handing.lease))
    return ids
