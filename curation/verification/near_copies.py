"""Hold near copies against the events of the searches that found them, both ways.

A withdrawal removes those of its images; binding subjects makes the next search compare everything anew. Searches by
earlier versions have no event: what they found is counted as not covered.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.near_copies.on_record import SEARCHED, searched_through
from curation.queries import chunks
from curation.tables.images import Image
from curation.tables.near_copies import NearCopy
from curation.verification.aliases import BOUND
from curation.verification.marks import events_of

Pair = tuple[int, int]  # a held-out image, and the image that it looks like


@dataclass(slots=True)
class _Recorded:
    """What events say was found, by pair; `whole`: by all searches; `through`: up to which image, None if unknown."""

    found: dict[Pair, str] = field(default_factory=dict)
    whole: bool = False
    through: int | None = None


def near_copy_faults(session: Session, chain: Chain, not_covered: Counter[str]) -> Iterator[str]:
    """Describe each near copy that is missing, was changed or was added; count those that are not covered."""
    recorded = _read(session)
    through = searched_through(session)
    if recorded.through is not None and through > recorded.through:
        known = f"events record images up to {recorded.through}"
        yield f"search for near copies: it says that it compared images up to {through}, {known}"
    stored = {
        (row.image_id, row.like_image_id): chain.near_copy_digest(row.image_id, row.like_image_id, row.correlation)
        for row in session.scalars(select(NearCopy).execution_options(yield_per=1_000))
    }
    missing = recorded.found.keys() - stored.keys()
    standing = _standing(session, {image for pair in missing for image in pair})
    for image, like in sorted(missing):
        if {image, like} <= standing:
            yield f"image {image}: that it looks like image {like} is missing, an event records it"
    for image, like in sorted(recorded.found.keys() & stored.keys()):
        if recorded.found[image, like] != stored[image, like]:
            yield f"image {image}: how much it looks like image {like} was changed, its event records another content"
    for image, like in sorted(stored.keys() - recorded.found.keys()):
        if recorded.whole:
            yield f"image {image}: that it looks like image {like} was added, no event records it"
        else:
            not_covered["near copies"] += 1


def _read(session: Session) -> _Recorded:
    """Gather what the searches found since everything was last compared anew."""
    recorded = _Recorded()
    for _, kind, payload in events_of(session, (SEARCHED, BOUND)):
        if kind == BOUND:
            recorded = _Recorded(through=0 if "aliases" in payload else None)
            continue
        if payload.get("anew"):
            recorded = _Recorded(whole=True)
        recorded.found |= {(image, like): digest for image, like, digest in payload.get("found", ())}
        recorded.through = payload.get("through")
    return recorded


def _standing(session: Session, images: Iterable[int]) -> set[int]:
    """Which of these images are there and not withdrawn."""
    live = select(Image.id).where(Image.withdrawn_at.is_(None))
    return {image for chunk in chunks(images) for image in session.scalars(live.where(Image.id.in_(chunk)))}
