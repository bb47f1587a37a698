"""A small cohort of real images with a batch of candidates beside it, for the tests of screening."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter
from sqlalchemy.orm import Session

from curation.image_store import Pixels
from curation.project import Project
from curation.tables.generation import Batch
from curation.tables.images import BuildStatus, Image, ImageLabel, Import, Origin, Split, Subject
from screening.features.descriptors import Descriptors
from tests.rows import NOW, add_generator, add_image, add_import, label_id

TRAIN, VALIDATION = range(0, 60), range(1_000, 1_048)
CLASSES = ("normal", "bright")


def person(number: int) -> Pixels:
    """The picture of subject `number`, of class `CLASSES[number % 2]`: (64, 64, 1) uint8."""
    random = np.random.default_rng(number)
    tissue = gaussian_filter(random.normal(size=(64, 64)), 2.5)
    row, column = np.mgrid[0:64, 0:64] / 64 - 0.5
    head = (row / 0.45) ** 2 + (column / 0.4) ** 2 < 1
    picture = head * (105 + 30 * tissue / tissue.std()) + random.normal(0, 2, (64, 64))
    if number % 2:
        picture[26:38, 26:38] += 80
    return np.clip(picture, 0, 250).astype(np.uint8)[:, :, None]


def described(labels: Sequence[str | None] | None = None, **columns: np.ndarray) -> Descriptors:
    """Descriptors of which only these columns are filled: what one check reads."""
    count = len(next(iter(columns.values())))
    empty = dict.fromkeys(("features", "grid", "measures", "prints", "spectra", "levels"), np.zeros((count, 0)))
    return Descriptors(**(empty | columns), labels=list(labels or [None] * count))


def add_person(project: Project, session: Session, source: Import, number: int, split: Split) -> Image:
    """A real image of a subject of its own."""
    subject = Subject(key=f"p{number}", split=split, known=True)
    session.add(subject)
    session.flush()
    image = add_image(project, session, person(number), origin=Origin.REAL, import_id=source.id, subject_id=subject.id)
    label = label_id(session, CLASSES[number % 2])
    session.add(ImageLabel(image_id=image.id, label_id=label, source="import", value=1.0))
    return image


def add_cohort(
    project: Project, train: Sequence[int] = TRAIN, validation: Sequence[int] = VALIDATION
) -> dict[int, int]:
    """Real images of both splits; returns the image id of each subject's number."""
    with project.database.write() as session:
        source = add_import(session)
        images = {number: add_person(project, session, source, number, Split.TRAIN) for number in train}
        images |= {number: add_person(project, session, source, number, Split.VALIDATION) for number in validation}
        return {number: image.id for number, image in images.items()}


def add_drawn(
    project: Project, pictures: Sequence[Pixels], labels: Sequence[str] | None = None, name: str = "tiny"
) -> int:
    """A finished batch of these pictures, not screened yet; returns its id."""
    with project.database.write() as session:
        batch = Batch(
            generator_id=add_generator(session, name, (), ()).id,
            request={"of": name},
            request_digest=f"{name:0<64}",
            size=len(pictures),
            status=BuildStatus.READY,
            created_at=NOW,
        )
        session.add(batch)
        session.flush()
        for index, pixels in enumerate(pictures):
            image = add_image(project, session, pixels, origin=Origin.SYNTHETIC, batch_id=batch.id, batch_index=index)
            label = label_id(session, labels[index] if labels else CLASSES[index % 2])
            session.add(ImageLabel(image_id=image.id, label_id=label, source="request", value=1.0))
        return batch.id
