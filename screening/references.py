"""Real images of a screening: training subjects as references, validation subjects for thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from curation.errors import BadInput
from curation.provenance.real_images import is_ready_real
from curation.queries import SHAPE, has_shape, is_positive
from curation.tables.images import Image, ImageLabel, Label, Shape, Split, Subject


@dataclass(frozen=True, slots=True)
class Reference:
    """A real image: its row, its file, its pixels, its subject, and its class where it has exactly one."""

    image_id: int
    file_sha256: str
    pixel_sha256: str
    subject_id: int
    label: str | None


def real_references(session: Session, split: Split, shape: Shape) -> Sequence[Reference]:
    """Real images of one split with (height, width, channels, bits), by file digest. Test is never asked for.

    An image that two subjects share is one reference: a copy of it would not stand out from the other.
    """
    if split not in (Split.TRAIN, Split.VALIDATION):
        raise ValueError(f"screening reads training and validation subjects only, not {split.value}")
    wanted = (is_ready_real(), Subject.split == split, has_shape(shape))
    of_split = select(Image.id).join(Subject, Subject.id == Image.subject_id).where(*wanted)
    positive = (is_positive("import"), ImageLabel.image_id.in_(of_split))
    labels: dict[int, list[str]] = {}
    query = select(ImageLabel.image_id, Label.name).join(Label, Label.id == ImageLabel.label_id).where(*positive)
    for image_id, name in session.execute(query):
        labels.setdefault(image_id, []).append(name)
    rows = session.execute(
        select(Image.id, Image.file_sha256, Image.pixel_sha256, Subject.id)
        .join(Subject, Subject.id == Image.subject_id)
        .where(*wanted)
        .order_by(Image.file_sha256, Image.id)
    )
    by_digest: dict[str, Reference] = {}
    for image_id, digest, pixels, subject_id in rows:
        label = _only(labels.get(image_id, []))
        by_digest.setdefault(digest, Reference(image_id, digest, pixels, subject_id, label))
    return list(by_digest.values())


def commonest_shape(session: Session, *restrictions: ColumnElement[bool]) -> Shape:
    """Height, width, channels and bits of most real images under these restrictions; raises BadInput without any."""
    query = select(*SHAPE).where(is_ready_real(), *restrictions).group_by(*SHAPE)
    row = session.execute(query.order_by(func.count().desc(), *SHAPE).limit(1)).first()
    if row is None:
        raise BadInput("expected real training or validation images, the project has none: `rounds import` adds some.")
    return row[0], row[1], row[2], row[3]


def classes_asked(session: Session, batch_id: int) -> list[str | None]:
    """The one class that each image of a batch was asked to show, by index; None where there is not exactly one."""
    of_batch = select(Image.id).where(Image.batch_id == batch_id).order_by(Image.batch_index)
    asked: dict[int, list[str]] = {}
    for image_id, name in session.execute(
        select(ImageLabel.image_id, Label.name)
        .join(Label, Label.id == ImageLabel.label_id)
        .join(Image, Image.id == ImageLabel.image_id)
        .where(Image.batch_id == batch_id, is_positive("request"))
    ):
        asked.setdefault(image_id, []).append(name)
    return [_only(asked.get(image_id, [])) for image_id in session.scalars(of_batch)]


def _only(names: list[str]) -> str | None:
    return names[0] if len(names) == 1 else None
