"""Record images that were damaged or moved on purpose: what they were made from, and how."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.tables.images import Image
from curation.tables.members import read_images

ALTERED = "images.altered"


def record_altered(session: Session, chain: Chain, now: datetime, image_ids: Sequence[int]) -> None:
    """Append an event with the digest of each of these new images; of none it appends none."""
    session.flush()
    members = read_images(session, Image.id.in_(image_ids)) if image_ids else []
    if members:
        payload = {"images": [member.id for member in members], "digests": [chain.member_digest(m) for m in members]}
        chain.record(session, ALTERED, payload, now)
