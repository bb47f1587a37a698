"""Claims: images are leased to a reader, and the lease expires.

A claim is one statement on both databases: a CTE picks free slots (skipping rows that others have locked, on
PostgreSQL) and feeds `UPDATE ... RETURNING`. A cursor per reader keeps it from walking over what was read before.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import ColumnElement, and_, bindparam, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate

from curation.errors import NotFound
from curation.models.images import Image
from curation.models.people import Reader, ReaderKind
from curation.models.reading import Assignment, AssignmentState, ReaderCursor, Worklist, WorklistItem
from curation.worklists import CHUNK, slot_values

LEASE_S = 600
PROXY_SLOT = 1_000
PROXY_LEASE = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Claimed:
    """An image leased to a reader: what the viewer needs, and nothing that says what the image is."""

    key: str
    position: int
    shape: tuple[int, int, int]
    bits: int
    shown_label: str | None
    file_sha256: str
    spacing: tuple[float, float] | None


def claim(
    session: Session, now: datetime, reader_id: int, worklist_id: int, count: int, lease_s: int = LEASE_S
) -> list[Claimed]:
    """Lease up to `count` images to a reader: their own live leases first, so that a reload takes them up.

    Raises NotFound for an unknown worklist. A closed one gives nothing.
    """
    worklist = open_worklist(session, worklist_id)
    if worklist.closed_at is not None:
        return []
    cursor = locked_cursor(session, reader_id, worklist_id)
    until = now + timedelta(seconds=lease_s)
    held = _renew_own(session, reader_id, worklist_id, count, until)
    is_person = session.get_one(Reader, reader_id).kind is ReaderKind.HUMAN
    if is_person and len(held) < count and cursor.done + len(held) < worklist.size:
        held += _claim_new(session, now, cursor, count - len(held), until)
    return _claimed(session, held, spacing_sent=not worklist.recipe.get("real_controls"))


def _renew_own(session: Session, reader_id: int, worklist_id: int, count: int, until: datetime) -> list[int]:
    # Locked first: a lease that ran out may be going to another reader at this moment, and is then no longer ours.
    own = (
        select(Assignment.id, Assignment.slot)
        .where(
            Assignment.reader_id == reader_id,
            Assignment.worklist_id == worklist_id,
            Assignment.state == AssignmentState.LEASED,
        )
        .order_by(Assignment.position)
        .limit(count)
        .with_for_update()
    )
    rows = session.execute(own).all()
    people = [row.id for row in rows if row.slot < PROXY_SLOT]
    if people:
        session.execute(update(Assignment).where(Assignment.id.in_(people)).values(lease_until=until))
    return [row.id for row in rows]


def _claim_new(session: Session, now: datetime, cursor: ReaderCursor, count: int, until: datetime) -> list[int]:
    """Open slots past the cursor, then open ones before it, then slots whose lease ran out."""
    # Behind the cursor are only slots that others had locked when it passed, so the second pass seldom finds any.
    passes = [("open", cursor.position), ("open", -1), ("expired", -1)]
    if cursor.position < 0:
        del passes[0]
    taken: list[int] = []
    for free, after in passes:
        if len(taken) < count:
            values = {
                "reader": cursor.reader_id,
                "worklist": cursor.worklist_id,
                "after": after,
                "wanted": count - len(taken),
                "at": now,
                "until": until,
            }
            found = session.execute(_take(free), values).all()
            taken += [row.id for row in sorted(found, key=lambda row: int(row.position))]
            if free == "open":
                cursor.position = max([cursor.position, *(row.position for row in found)])
    return taken


@cache
def _take(free: str) -> ReturningUpdate[int, int]:
    """The claim of slots that are `open` or `expired`; built once, since building it costs more than running it."""

    def is_free(slot: type[Assignment]) -> ColumnElement[bool]:
        if free == "open":
            return slot.state == AssignmentState.OPEN
        return and_(slot.state == AssignmentState.LEASED, slot.lease_until < bindparam("at"))

    other = aliased(Assignment)
    same_item = other.item_id == Assignment.item_id
    mine = exists().where(same_item, other.reader_id == bindparam("reader"))
    # Of two free slots of one item only the lower may be picked, or one statement would give a reader both.
    lower = exists().where(same_item, other.slot < Assignment.slot, is_free(other))
    picked = (
        select(Assignment.id)
        .where(
            Assignment.worklist_id == bindparam("worklist"),
            is_free(Assignment),
            Assignment.slot < PROXY_SLOT,
            Assignment.position > bindparam("after"),
            ~mine,
            ~lower,
        )
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


def _claimed(session: Session, identities: list[int], spacing_sent: bool) -> list[Claimed]:
    """What the viewer is sent; beside controls no spacing, since it may be known of real images alone."""
    query = (
        select(Assignment.id, Assignment.key, Assignment.position, WorklistItem.shown_label, Image)
        .join(WorklistItem, WorklistItem.id == Assignment.item_id)
        .join(Image, Image.id == WorklistItem.image_id)
        .where(Assignment.id.in_(identities))
    )
    found = {
        row.id: Claimed(
            key=row.key,
            position=row.position,
            shape=(row.Image.height, row.Image.width, row.Image.channels),
            bits=row.Image.bits,
            shown_label=row.shown_label,
            file_sha256=row.Image.file_sha256,
            spacing=_spacing(row.Image) if spacing_sent else None,
        )
        for row in session.execute(query)
    }
    return [found[identity] for identity in identities]


def _spacing(image: Image) -> tuple[float, float] | None:
    if image.spacing_row_mm is None or image.spacing_column_mm is None:
        return None
    return image.spacing_row_mm, image.spacing_column_mm


def open_proxy_slots(session: Session, reader: Reader, worklist_id: int) -> int:
    """Give a proxy a slot of its own on every item, so that it takes none from people; returns how many are new."""
    items = select(WorklistItem.id, WorklistItem.position).where(
        WorklistItem.worklist_id == worklist_id,
        WorklistItem.id.not_in(select(Assignment.item_id).where(Assignment.reader_id == reader.id)),
    )
    rows = session.execute(items).all()
    slots = [
        slot_values(worklist_id, item_id, position, PROXY_SLOT + reader.id)
        | {"state": AssignmentState.LEASED, "reader_id": reader.id, "lease_until": reader.created_at + PROXY_LEASE}
        for item_id, position in rows
    ]
    for start in range(0, len(slots), CHUNK):
        session.execute(insert(Assignment), slots[start : start + CHUNK])
    return len(slots)


def open_worklist(session: Session, worklist_id: int) -> Worklist:
    """The worklist by id; raises NotFound."""
    worklist = session.get(Worklist, worklist_id)
    if worklist is None:
        raise NotFound(f"there is no worklist {worklist_id}.")
    return worklist


def locked_cursor(session: Session, reader_id: int, worklist_id: int) -> ReaderCursor:
    """The reader's cursor, locked: two pages of one reader claim and read one after the other.

    Lock it before any assignment: everything here takes cursor, assignment, head of the chain in this order.
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
            cursor = ReaderCursor(reader_id=reader_id, worklist_id=worklist_id, position=-1, done=0)
            session.add(cursor)
            session.flush()
            return cursor
    except IntegrityError:  # on PostgreSQL another page of the same reader may have added it since
        return session.scalars(query).one()
