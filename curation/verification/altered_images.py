"""Hold images that were altered on purpose against the events that record them, both ways.

Their event covers what they were made from and how, which the worklist or the list of pairs that shows them does not.
Earlier versions recorded no such event: images made before the first one are counted as not covered.
"""

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.alterations.on_record import ALTERED
from curation.audit import Chain
from curation.queries import chunks
from curation.tables.images import Image, Origin
from curation.tables.members import CHUNK, read_images
from curation.verification.ledger import Ledger
from curation.verification.marks import events_of

CHANGED = "it was changed, its event records another content"
MISSING = "it is missing, an event records it"
UNRECORDED = "no event records it"


def altered_image_faults(session: Session, chain: Chain, ledger: Ledger, not_covered: Counter[str]) -> Iterator[str]:
    """Describe each altered image that differs from its event, has none or is missing; count those not covered."""
    recorded: dict[int, tuple[int, str]] = {}
    for sequence, _, payload in events_of(session, (ALTERED,)):
        for image_id, digest in zip(payload.get("images", ()), payload.get("digests", ()), strict=False):
            recorded.setdefault(image_id, (sequence, digest))
    first = min(recorded, default=None)
    altered = session.scalars(select(Image.id).where(Image.origin == Origin.ALTERED).order_by(Image.id)).all()
    for image_id in sorted(set(altered) - recorded.keys()):
        if first is None or image_id < first:
            not_covered["altered images"] += 1
        else:
            yield f"altered image {image_id}: {UNRECORDED}"
    for chunk in chunks(sorted(recorded), CHUNK):
        members = {member.id: member for member in read_images(session, Image.id.in_(chunk))}
        for image_id in chunk:
            sequence, digest = recorded[image_id]
            if (member := members.get(image_id)) is None:
                yield f"altered image {image_id}: {MISSING}"
            elif chain.member_digest(member, ledger.cleared_facts(member, sequence)) != digest:
                yield f"altered image {image_id}: {CHANGED}"
