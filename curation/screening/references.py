"""The real images a screening measures against: training subjects as reference, validation subjects for thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from curation.models.images import Image, ImageLabel, Label, Split, Subject
from curation.real_images import is_ready_real


@dataclass(frozen=True, slots=True)
class Reference:
    """A real image: its row, its file, its class."""

    image_id: int
    file_sha256: str
    label: str


def real_references(session: Session, split: Split, shape: tuple[int, int, int, int]) -> Sequence[Reference]:
    """Real images of one split with (height, width, channels, bits), by file digest. Test is never asked for."""
    if split not in (Split.TRAIN, Split.VALIDATION):
        raise ValueError(f"screening reads training and validation subjects only, not {split.value}")
    height, width, channels, bits = shape
    imported = and_(ImageLabel.image_id == Image.id, ImageLabel.source == "import", ImageLabel.value >= 0.5)
    query = (
        select(Image.id, Image.file_sha256, Label.name)
        .join(Subject, Subject.id == Image.subject_id)
        .join(ImageLabel, imported)
        .join(Label, Label.id == ImageLabel.label_id)
        .where(
            is_ready_real(),
            Subject.split == split,
            Image.height == height,
            Image.width == width,
            Image.channels == channels,
            Image.bits == bits,
        )
        .order_by(Image.file_sha256)
    )
    return [Reference(*row) for row in session.execute(query)]
