"""The reference panel: real training images of each class, the same for every reader of a worklist.

Only training images are shown: readers and models are measured on validation and test subjects. Images of the practice
and originals of planted defects are left out.
"""

import hashlib
import hmac
from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Select, and_, exists, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from curation.provenance.real_images import is_ready_real
from curation.queries import SHAPE, is_positive
from curation.reading.worklist import check_may_read, open_worklist
from curation.tables.images import Image, ImageLabel, Label, Split, Subject
from curation.tables.reading import Worklist, WorklistItem

PER_CLASS = 8


@dataclass(frozen=True, slots=True)
class PanelImage:
    """A real training image under an opaque key; `shape` is (height, width, channels)."""

    key: str
    label: str
    file_sha256: str
    shape: tuple[int, int, int]
    bits: int


def check_may_see_references(session: Session, worklist_id: int, reader_id: int) -> Worklist:
    """Return the worklist if this reader may read it, even closed or paused; raises NotFound, NotAllowed."""
    worklist = open_worklist(session, worklist_id)
    check_may_read(session, worklist, reader_id)
    if worklist.practice_for_id is not None:
        check_may_read(session, session.get_one(Worklist, worklist.practice_for_id), reader_id)
    return worklist


def choose_references(session: Session, secret: bytes, worklist: Worklist) -> list[PanelImage]:
    """Choose at most 8 images of each class, in the order of the worklist's classes, by a hash of the pixels."""
    images: dict[str, dict[str, Image]] = defaultdict(dict)
    for image, label in session.execute(_candidates(worklist)):
        images[label].setdefault(image.pixel_sha256, image)
    return [
        _panel_image(secret, worklist.id, image, label)
        for label in worklist.classes
        for _, image in sorted(images[label].items(), key=lambda item: _place(worklist.id, item[0]))[:PER_CLASS]
    ]


def _candidates(worklist: Worklist) -> Select[Image, str]:
    """Select real training images of one class that have the shape and depth of the worklist's items."""
    like = select(*SHAPE).join(WorklistItem).where(WorklistItem.worklist_id == worklist.id).distinct()
    labelled = and_(ImageLabel.image_id == Image.id, is_positive("import"))
    other = aliased(ImageLabel)
    is_other_label = and_(other.image_id == Image.id, other.label_id != ImageLabel.label_id)
    several = exists().where(is_other_label, is_positive("import", other))
    return (
        select(Image, Label.name)
        .join(ImageLabel, labelled)
        .join(Label, Label.id == ImageLabel.label_id)
        .join(Subject, Subject.id == Image.subject_id)
        .where(is_ready_real(), Subject.split == Split.TRAIN, tuple_(*SHAPE).in_(like), ~several)
        .where(Image.pixel_sha256.not_in(_pixels_of_items(worklist)))
        .order_by(Image.id)
    )


def _pixels_of_items(worklist: Worklist) -> Select[str]:
    """Select the pixels of the items of a worklist and its practice, and of the originals of altered ones."""
    whole = worklist.practice_for_id or worklist.id
    lists = select(Worklist.id).where(or_(Worklist.id == whole, Worklist.practice_for_id == whole))
    items = select(WorklistItem.image_id).where(WorklistItem.worklist_id.in_(lists))
    originals = select(Image.altered_from_id).where(Image.id.in_(items), Image.altered_from_id.is_not(None))
    return select(Image.pixel_sha256).where(or_(Image.id.in_(items), Image.id.in_(originals)))


def _place(worklist_id: int, pixel_sha256: str) -> str:
    return hashlib.sha256(f"{worklist_id}:{pixel_sha256}".encode()).hexdigest()


def _panel_image(secret: bytes, worklist_id: int, image: Image, label: str) -> PanelImage:
    tag = hmac.new(secret, f"{worklist_id}:{image.id}".encode(), hashlib.sha256).hexdigest()[:32]
    shape = (image.height, image.width, image.channels)
    return PanelImage(f"{worklist_id}-{tag}", label, image.file_sha256, shape, image.bits)
