"""Worklists after a withdrawal: items whose image is gone are handed out no more, and nobody waits for them."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.reading.outcomes import stands
from curation.tables.reading import Purpose, Reading, Worklist, WorklistItem, WorklistKind
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
