"""Choose and take what a reader reads next: free slots in their own order, controls, adjudications.

One statement takes shared slots on both databases: a CTE picks free ones (on PostgreSQL it skips rows that others have
locked) and feeds `UPDATE ... RETURNING`. The reader's cursor keeps a claim off the places they have passed.
"""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate

from curation.provenance.withdrawn import withdrawn_images, withdrawn_items
from curation.reading.order import order_of
from curation.reading.recipe import WorklistRecipe
from curation.reading.slots import CONTROL_SLOT, PROXY_SLOT, LeaseTerms, slot_values
from curation.tables.reading import (
    Assignment,
    AssignmentPurpose,
    AssignmentState,
    Purpose,
    Worklist,
    WorklistItem,
    WorklistKind,
)

PLACES_AT_ONCE = 512  # looked at together
MOST_PLACES = 2_048  # that one claim walks before it takes any free slot


def assign_first_readings(session: Session, terms: LeaseTerms, wanted: int) -> list[int]:
    """Assign images that the reader has not read, in their order, and move the cursor past them; returns ids."""
    cursor, worklist = terms.cursor, terms.worklist
    order = order_of(worklist.id, worklist.size, terms.recipe, cursor.reader_id)
    taken: list[int] = []
    walked = 0
    while len(taken) < wanted and walked < MOST_PLACES and cursor.position + 1 < worklist.size:
        missing = wanted - len(taken)
        places = order.places(cursor.position + 1, min(PLACES_AT_ONCE, max(32, 2 * missing)))
        assigned, passed = _assign_at(session, terms, places, missing)
        taken += assigned
        cursor.position += passed
        walked += passed
    if len(taken) < wanted:
        taken += _assign_left_over(session, terms, wanted - len(taken))
    return taken


def _assign_at(session: Session, terms: LeaseTerms, places: Sequence[int], missing: int) -> tuple[list[int], int]:
    """Assign what is free at the first `missing` of `places` that hold something; returns ids and places passed."""
    free = set(session.scalars(_free_places(), {**_parameters(terms), "places": places}))
    controls = _controls_at(session, terms, places) if terms.worklist.controls else {}
    chosen = [place for place in places if place in free or place in controls][:missing]
    shared = [place for place in chosen if place in free]
    ids: dict[int, int] = {}
    if shared:
        values = {**_parameters(terms), "places": shared, "wanted": len(shared)}
        ids = {row.position: row.id for row in session.execute(_take("placed"), values)}
    ids |= _add_controls(session, terms, {place: controls[place] for place in chosen if place not in free})
    passed = places.index(chosen[-1]) + 1 if len(chosen) == missing else len(places)
    return [ids[place] for place in chosen if place in ids], passed


def _controls_at(session: Session, terms: LeaseTerms, places: Sequence[int]) -> dict[int, int]:
    """Find the controls at `places` that this reader does not have yet, item by place.

    In a Turing test every image is a control.
    """
    purposes = [Purpose.REAL_CONTROL, Purpose.DEFECT_CONTROL]
    if terms.worklist.kind is WorklistKind.TURING:
        purposes.append(Purpose.CANDIDATE)
    rows = session.execute(
        select(WorklistItem.position, WorklistItem.id).where(
            WorklistItem.worklist_id == terms.worklist.id,
            WorklistItem.position.in_(places),
            WorklistItem.purpose.in_(purposes),
            WorklistItem.image_id.not_in(withdrawn_images()),
            ~exists().where(Assignment.item_id == WorklistItem.id, Assignment.reader_id == terms.cursor.reader_id),
        )
    )
    return dict(rows.all())


def _add_controls(session: Session, terms: LeaseTerms, items: dict[int, int]) -> dict[int, int]:
    if not items:
        return {}
    slot = CONTROL_SLOT + terms.cursor.reader_id
    values = [slot_values(terms.worklist.id, item, place, slot) | terms.lease for place, item in items.items()]
    added = session.execute(insert(Assignment).returning(Assignment.position, Assignment.id), values)
    return dict(added.all())


def _assign_left_over(session: Session, terms: LeaseTerms, missing: int) -> list[int]:
    """Assign slots behind the cursor that others gave back, or whose lease ran out."""
    taken: list[int] = []
    for free in ("open", "expired"):
        if len(taken) < missing:
            values = {**_parameters(terms), "wanted": missing - len(taken), "at": terms.now}
            rows = session.execute(_take(free), values).all()
            taken += [row.id for row in sorted(rows, key=lambda row: int(row.position))]
    return taken


def _parameters(terms: LeaseTerms) -> dict[str, object]:
    """Fill in the statements: `dealt` slots of each item keep their reader even when a lease runs out."""
    dealt = terms.worklist.readers_per_image if terms.recipe.shares == "allotted" else 0
    return {"reader": terms.cursor.reader_id, "worklist": terms.worklist.id, "until": terms.until, "dealt": dealt}


def _is_shared_and_unread() -> list[ColumnElement[bool]]:
    other = aliased(Assignment)
    has_other = exists().where(
        other.item_id == Assignment.item_id, other.reader_id == bindparam("reader"), other.id != Assignment.id
    )
    return [Assignment.worklist_id == bindparam("worklist"), Assignment.slot < PROXY_SLOT, ~has_other]


def _is_open_to_reader(slot: type[Assignment]) -> ColumnElement[bool]:
    """The condition that a slot is open, and nobody's or dealt out to this reader."""
    for_reader = or_(slot.reader_id.is_(None), slot.reader_id == bindparam("reader"))
    return and_(slot.state == AssignmentState.OPEN, for_reader)


@cache
def _free_places():  # type: ignore[no-untyped-def]  # the statement's type is longer than the statement
    at_places = Assignment.position.in_(bindparam("places", expanding=True))
    return select(Assignment.position).where(*_is_shared_and_unread(), _is_open_to_reader(Assignment), at_places)


@cache
def _take(free: str) -> ReturningUpdate[int, int]:
    """The statement that takes slots: `placed`, `open` or `expired` ones. Building it costs more than running it."""

    def is_free(slot: type[Assignment]) -> ColumnElement[bool]:
        if free == "expired":
            ran_out = and_(slot.state == AssignmentState.LEASED, slot.lease_until < bindparam("at"))
            return and_(ran_out, slot.reader_id != bindparam("reader"), slot.slot >= bindparam("dealt"))
        return _is_open_to_reader(slot)

    # Of two free slots of one item only the lower may be picked, or one statement would give a reader both. A slot that
    # was dealt out to this reader goes first: while it waits, they may have no other slot of that item.
    other = aliased(Assignment)
    lower = exists().where(other.item_id == Assignment.item_id, other.slot < Assignment.slot, is_free(other))
    dealt_to_reader = Assignment.reader_id == bindparam("reader")
    conditions = [*_is_shared_and_unread(), is_free(Assignment), or_(dealt_to_reader, ~lower)]
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


def assign_adjudications(session: Session, terms: LeaseTerms, wanted: int) -> list[int]:
    """Assign disputed images that this adjudicator has not read; returns ids."""
    expired = and_(Assignment.state == AssignmentState.LEASED, Assignment.lease_until < terms.now)
    free = (
        select(Assignment.id)
        .where(
            *_is_adjudication_for(terms.worklist.id, terms.cursor.reader_id),
            (Assignment.state == AssignmentState.OPEN) | expired,
        )
        .order_by(Assignment.position)
        .limit(wanted)
        .with_for_update(skip_locked=True)
    )
    ids = list(session.scalars(free))
    if ids:
        session.execute(update(Assignment).where(Assignment.id.in_(ids)).values(**terms.lease))
    return ids


def count_adjudications(session: Session, worklist_id: int, reader_id: int) -> tuple[int, int]:
    """Count the disputed images that this adjudicator has settled, and those that may still come to them."""
    done = (
        Assignment.worklist_id == worklist_id,
        Assignment.purpose == AssignmentPurpose.ADJUDICATION,
        Assignment.reader_id == reader_id,
        Assignment.state == AssignmentState.DONE,
    )
    left = (*_is_adjudication_for(worklist_id, reader_id), Assignment.state != AssignmentState.DONE)
    settled, waiting = (session.scalar(select(func.count(Assignment.id)).where(*which)) for which in (done, left))
    return settled or 0, waiting or 0


def _is_adjudication_for(worklist_id: int, reader_id: int) -> list[ColumnElement[bool]]:
    """The conditions for the adjudication of an image that is still here and that this reader has no other slot of."""
    other = aliased(Assignment)
    has_other = exists().where(
        other.item_id == Assignment.item_id, other.reader_id == reader_id, other.id != Assignment.id
    )
    return [
        Assignment.worklist_id == worklist_id,
        Assignment.purpose == AssignmentPurpose.ADJUDICATION,
        Assignment.item_id.not_in(withdrawn_items()),
        ~has_other,
    ]


def count_shared_left(session: Session, worklist: Worklist, recipe: WorklistRecipe, reader_id: int) -> int:
    """Count the candidates that may still come to this reader: free ones, and others' whose lease may run out."""
    dealt = worklist.readers_per_image if recipe.shares == "allotted" else 0
    with_others = and_(
        Assignment.state == AssignmentState.LEASED, Assignment.reader_id != reader_id, Assignment.slot >= dealt
    )
    query = select(func.count(Assignment.item_id.distinct())).where(
        *_is_shared_and_unread(),
        Assignment.item_id.not_in(withdrawn_items()),
        _is_open_to_reader(Assignment) | with_others,
    )
    return session.scalar(query, {"reader": reader_id, "worklist": worklist.id}) or 0
