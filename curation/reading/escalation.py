"""Open a slot for another reader where one was unsure, and for an adjudicator where readers disagree."""

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from curation.provenance.withdrawn import withdrawn_images
from curation.reading.outcome_rule import OutcomeRule, StandingReading, count_decided, decide, is_disputed
from curation.reading.outcomes import load_standing_readings
from curation.reading.slots import ADJUDICATION_SLOT, MOST_READERS, PROXY_SLOT, slot_values
from curation.tables.images import Image
from curation.tables.reading import (
    Assignment,
    AssignmentPurpose,
    AssignmentState,
    OutcomeVerdict,
    Purpose,
    Reading,
    Worklist,
    WorklistItem,
    WorklistKind,
)


def update_extra_slots(session: Session, worklist: Worklist, item_id: int) -> None:
    """Open the slots that an item needs after a reading, and remove those that it needs no longer."""
    query = select(WorklistItem, Image.withdrawn_at).join(Image, Image.id == WorklistItem.image_id)
    item, withdrawn_at = session.execute(query.where(WorklistItem.id == item_id)).one()
    if worklist.kind is not WorklistKind.VERDICT or item.purpose is not Purpose.CANDIDATE or withdrawn_at is not None:
        return
    rule = OutcomeRule(**worklist.rule)
    readings = load_standing_readings(session, item_id)
    if rule.kind == "adjudicated":
        _update_adjudication(session, item, is_disputed(readings, rule))
    else:
        _update_shared(session, item, readings, rule)


def _update_adjudication(session: Session, item: WorklistItem, disputed: bool) -> None:
    """Open the slot for an adjudicator; remove it while nobody has taken it."""
    existing = session.scalars(
        select(Assignment).where(Assignment.item_id == item.id, Assignment.purpose == AssignmentPurpose.ADJUDICATION)
    ).one_or_none()
    if disputed and existing is None:
        slot = slot_values(item.worklist_id, item.id, item.position, ADJUDICATION_SLOT, AssignmentPurpose.ADJUDICATION)
        session.execute(insert(Assignment), [slot])
    elif not disputed and existing is not None and existing.state is AssignmentState.OPEN:
        _delete_unread(session, [existing.id])


def _update_shared(session: Session, item: WorklistItem, readings: list[StandingReading], rule: OutcomeRule) -> None:
    """Open or remove shared slots until enough readers are sure, or `MOST_READERS` have read."""
    shared = session.execute(
        select(Assignment.id, Assignment.slot, Assignment.state)
        .where(Assignment.item_id == item.id, Assignment.slot < PROXY_SLOT)
        .order_by(Assignment.slot)
    ).all()
    pending = [row for row in shared if row.state is not AssignmentState.DONE]
    is_settled = bool(readings) and decide(readings, rule).verdict is not OutcomeVerdict.UNRESOLVED
    counted = len(readings) if rule.kind == "adjudicated" else count_decided(readings)
    missing = 0 if is_settled else max(0, rule.readers - counted)
    added = min(missing - len(pending), MOST_READERS - len(shared))
    if added > 0:
        free = [slot for slot in range(PROXY_SLOT) if slot not in {row.slot for row in shared}][:added]
        slots = [slot_values(item.worklist_id, item.id, item.position, slot) for slot in free]
        session.execute(insert(Assignment), slots)
    extra = [row.id for row in pending if row.slot >= rule.readers and row.state is AssignmentState.OPEN]
    _delete_unread(session, extra[: max(0, len(pending) - missing)])


def update_all_extra_slots(session: Session, worklist: Worklist, readers_before: int) -> None:
    """Open and remove slots for every candidate after a change of the rule.

    Candidates that nobody has read need it only where the number of readers is not `readers_before`.
    """
    rule = OutcomeRule(**worklist.rule)
    candidates = select(WorklistItem).where(
        WorklistItem.worklist_id == worklist.id,
        WorklistItem.purpose == Purpose.CANDIDATE,
        WorklistItem.image_id.not_in(withdrawn_images()),
    )
    if rule.readers == readers_before:
        candidates = candidates.where(exists().where(Reading.item_id == WorklistItem.id))
    for item in session.scalars(candidates):
        readings = load_standing_readings(session, item.id)
        _update_adjudication(session, item, rule.kind == "adjudicated" and is_disputed(readings, rule))
        _update_shared(session, item, readings, rule)


def _delete_unread(session: Session, ids: list[int]) -> None:
    """Delete slots, but keep those that were read and taken back: their readings refer to them."""
    if ids:
        unread = ~exists().where(Reading.assignment_id == Assignment.id)
        session.execute(delete(Assignment).where(Assignment.id.in_(ids), unread))
