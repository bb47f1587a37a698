"""The reference panel: real training images of each class, the same ones for every reader of a worklist.

Training images only: whatever measures a reader or a model comes from validation and test subjects. Images that a
reader meets in the practice of the worklist, or that its planted faults were made from, are not among them.
"""

import hashlib
import hmac
from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Select, and_, exists, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from curation.errors import NotFound
from curation.provenance.real_images import is_ready_real
from curation.queries import SHAPE, is_positive
from curation.reading.worklist import check_may_read
from curation.tables.images import Image, ImageLabel, Label, Split, Subject
from curation.tables.reading import Worklist, WorklistItem

PER_CLASS = 8


@dataclass(frozen=True, slots=True)
class Reference:
    """A real training image under a key that says nothing of it; shape is (height, width, channels)."""

    key: str
    label: str
    file_sha256: str
    shape: tuple[int, int, int]
    bits: int


def check_may_see_references(session: Session, worklist_id: int, reader_id: int) -> Worklist:
    """The worklist, when this reader may read it; raises NotFound, NotAllowed. Closed and paused ones included."""
    worklist = session.get(Worklist, worklist_id)
    if worklist is None:
        raise NotFound("there is no such worklist.")
    check_may_read(session, worklist, reader_id)
    if worklist.practice_for_id is not None:
        check_may_read(session, session.get_one(Worklist, worklist.practice_for_id), reader_id)
    return worklist


def references_of(session: Session, secret: bytes, worklist: Worklist) -> list[Reference]:
    """At most 8 images of each class, by class in the worklist's order, chosen by a hash of worklist and pixels."""
    found: dict[str, dict[str, Image]] = defaultdict(dict)
    for image, label in session.execute(_candidates(worklist)):
        found[label].setdefault(image.pixel_sha256, image)
    return [
        _reference(secret, worklist.id, image, label)
        for label in worklist.classes
        for _, image in sorted(found[label].items(), key=lambda item: _place(worklist.id, item[0]))[:PER_CLASS]
    ]


def _candidates(worklist: Worklist) -> Select[Image, str]:
    """Real single-label training images of the shape and depth of the worklist's items."""
    like = select(*SHAPE).join(WorklistItem).where(WorklistItem.worklist_id == worklist.id).distinct()
    labelled = and_(ImageLabel.image_id == Image.id, is_positive("import"))
    other = aliased(ImageLabel)
    several = exists().where(
        other.image_id == Image.id, is_positive("import", other), other.label_id != ImageLabel.label_id
    )
    return (
        select(Image, Label.name)
        .join(ImageLabel, labelled)
        .join(Label, Label.id == ImageLabel.label_id)
        .join(Subject, Subject.id == Image.subject_id)
        .where(is_ready_real(), Subject.split == Split.TRAIN, tuple_(*SHAPE).in_(like), ~several)
        .where(Image.pixel_sha256.not_in(_met(worklist)))
        .order_by(Image.id)
    )


def _met(worklist: Worklist) -> Select[str]:
    """Pixels of what readers of this worklist or its practice meet, and of what was altered for them."""
    whole = worklist.practice_for_id or worklist.id
    lists = select(Worklist.id).where(or_(Worklist.id == whole, Worklist.practice_for_id == whole))
    items = select(WorklistItem.image_id).where(WorklistItem.worklist_id.in_(lists))
    originals = select(Image.altered_from_id).where(Image.id.in_(items), Image.altered_from_id.is_not(None))
    return select(Image.pixel_sha256).where(or_(Image.id.in_(items), Image.id.in_(originals)))


def _place(worklist_id: int, pixel_sha256: str) -> str:
    return hashlib.sha256(f"{worklist_id}:{pixel_sha256}".encode()).hexdigest()


def _reference(secret: bytes, worklist_id: int, image: Image, label: str) -> Reference:
    tag = hmac.new(secret, f"{worklist_id}:{image.id}".encode(), hashlib.sha256).hexdigest()[:32]
    shape = (image.height, image.width, image.channels)
    return Reference(f"{worklist_id}-{tag}", label, image.file_sha256, shape, image.bits)
