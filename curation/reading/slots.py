"""Reading slots: which numbers mean what, and the columns of a fresh one.

Slots below `PROXY_SLOT` are shared: whoever comes next takes one. The others belong to one reader, and the number says
for what; an adjudication's belongs to whichever adjudicator takes it.
"""

import uuid
from typing import Any

from curation.tables.reading import AssignmentPurpose, AssignmentState

MOST_READERS = 5  # of one image, however unsure they are
PROXY_SLOT = 1_000
CONTROL_SLOT = 1_000_000
REPEAT_SLOT = 2_000_000
AUDIT_SLOT = 3_000_000
ADJUDICATION_SLOT = 4_000_000


def slot_values(
    worklist_id: int,
    item_id: int,
    position: int,
    slot: int,
    purpose: AssignmentPurpose = AssignmentPurpose.FIRST,
) -> dict[str, Any]:
    """The columns of an open reading slot under a fresh opaque key."""
    return {
        "key": uuid.uuid4().hex,
        "worklist_id": worklist_id,
        "item_id": item_id,
        "slot": slot,
        "purpose": purpose,
        "position": position,
        "state": AssignmentState.OPEN,
    }
