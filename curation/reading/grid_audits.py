"""Single audits of images that a reader left unmarked in a grid."""

from sqlalchemy import ColumnElement, and_, delete, exists, insert, select, update
from sqlalchemy.orm import Session

from curation.provenance.withdrawn import withdrawn_items
from curation.reading.order import share_of
from curation.reading.recipe import WorklistRecipe
from curation.reading.slots import AUDIT_SLOT, LeaseTerms, slot_values
from curation.tables.reading import Assignment, AssignmentPurpose, AssignmentState, Reading

AUDITS_AMONG = 6  # of so many images at most one is an audit while there are others


def is_to_be_audited(worklist_id: int, recipe: WorklistRecipe, reader_id: int, item_id: int) -> bool:
    """Whether an image that this reader leaves unmarked in a grid is drawn for a single audit."""
    return share_of(f"{recipe.seed}:{worklist_id}:{reader_id}:{item_id}:audit") < recipe.grid_audit_share


def is_audit_of(reader_id: int) -> ColumnElement[bool]:
    """The condition that an `Assignment` is an audit of this reader's pages."""
    return and_(Assignment.reader_id == reader_id, Assignment.purpose == AssignmentPurpose.GRID_AUDIT)


def open_audit(session: Session, worklist_id: int, reader_id: int, item_id: int, position: int) -> None:
    """Open a slot for this reader alone; it is assigned among their next single images."""
    existing = select(Assignment.id).where(Assignment.item_id == item_id, is_audit_of(reader_id))
    if session.scalars(existing).first() is not None or item_id in session.scalars(withdrawn_items()).all():
        return
    values = slot_values(worklist_id, item_id, position, AUDIT_SLOT + reader_id, AssignmentPurpose.GRID_AUDIT)
    session.execute(insert(Assignment), [values | {"reader_id": reader_id}])


def close_audit(session: Session, reader_id: int, item_id: int) -> None:
    """Remove an audit whose page was taken back, unless it was read already, or read and taken back."""
    unread = (Assignment.state != AssignmentState.DONE, ~exists().where(Reading.assignment_id == Assignment.id))
    session.execute(delete(Assignment).where(Assignment.item_id == item_id, is_audit_of(reader_id), *unread))


def find_waiting_audits(session: Session, reader_id: int, worklist_id: int, limit: int) -> list[int]:
    """Find at most `limit` audits that wait for this reader; returns ids."""
    is_waiting = and_(Assignment.worklist_id == worklist_id, Assignment.state == AssignmentState.OPEN)
    query = select(Assignment.id).where(is_audit_of(reader_id), is_waiting)
    return list(session.scalars(query.order_by(Assignment.id).limit(limit)))


def assign_audits(session: Session, terms: LeaseTerms, ids: list[int]) -> None:
    """Lease audits to the reader they are open for."""
    if ids:
        session.execute(update(Assignment).where(Assignment.id.in_(ids)).values(**terms.lease))


def has_waiting_audits(session: Session, reader_id: int, worklist_id: int) -> bool:
    """Whether audits of this reader's pages wait to be read, assigned or not."""
    unread = (Assignment.worklist_id == worklist_id, Assignment.state != AssignmentState.DONE)
    audits = select(Assignment.id).where(is_audit_of(reader_id), *unread)
    return session.scalars(audits.limit(1)).first() is not None
