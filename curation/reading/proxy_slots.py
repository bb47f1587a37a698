"""Open slots for proxies beside those of people, so that a model takes no image from a person."""

from datetime import timedelta

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from curation.errors import BadInput
from curation.provenance.withdrawn import withdrawn_images
from curation.reading.slots import PROXY_SLOT, slot_values
from curation.reading.worklist import open_worklist
from curation.tables.people import Reader
from curation.tables.reading import Assignment, AssignmentState, WorklistItem, WorklistKind

PROXY_LEASE = timedelta(days=36_500)
CHUNK = 1_000


def open_proxy_slots(session: Session, reader: Reader, worklist_id: int) -> int:
    """Open a slot of its own for a proxy on every item; returns how many are new."""
    if open_worklist(session, worklist_id).kind is not WorklistKind.VERDICT:
        raise BadInput("expected a worklist whose verdicts count; a proxy reads no practice and no Turing test.")
    items = select(WorklistItem.id, WorklistItem.position).where(
        WorklistItem.worklist_id == worklist_id,
        WorklistItem.image_id.not_in(withdrawn_images()),
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
