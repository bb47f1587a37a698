"""Screened candidates for tests of reading: pictures a person could tell apart, drawn by numpy."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from sqlalchemy.orm import Session

from curation.image_store import Pixels
from curation.project import Project
from curation.tables.generation import Batch, ScreenedImage, Screening, ScreeningVerdict
from curation.tables.images import BuildStatus, ImageLabel, Origin
from tests.rows import NOW, add_generator, add_image, label_id

CLASSES = ("normal", "ring_lesion", "old_infarct")

SCREENED_BY = {
    "method": "test",
    "backbone": "none",
    "backbone_digest": "0" * 64,
    "real_training_images": 0,
    "real_validation_images": 0,
    "generator_images": 0,
    "generator_images_compared": 0,
}


def oval(seed: int, size: int = 64, bits: int = 8, channels: int = 1) -> Pixels:
    """A smooth oval with bright and dark spots: (size, size, channels) uint8 or uint16."""
    random = np.random.default_rng(seed)
    row, column = np.mgrid[0:size, 0:size] / size - 0.5
    shape = 1.0 * ((row / 0.42) ** 2 + (column / 0.34) ** 2 < 1)
    for amplitude in (0.5, -0.4, 0.25):
        y, x = random.uniform(-0.22, 0.22, 2)
        shape += amplitude * np.exp(-((row - y) ** 2 + (column - x) ** 2) / 0.008) * (shape > 0)
    noisy = np.clip(0.5 * shape + random.normal(0, 0.015, shape.shape), 0, 1)
    dtype = np.uint16 if bits == 16 else np.uint8
    return np.repeat((noisy * (2**bits - 1)).astype(dtype)[:, :, None], channels, axis=2)


def add_candidates(
    project: Project,
    session: Session,
    pictures: Sequence[Pixels],
    labels: Sequence[str] | None = None,
    name: str = "tiny",
) -> Batch:
    """A finished batch of these pictures by a generator `name`, with its finished screening; every verdict is pass.

    Without `labels` the classes take turns.
    """
    requested = labels or [CLASSES[index % len(CLASSES)] for index in range(len(pictures))]
    generator = add_generator(session, name, (), ())
    batch = Batch(
        generator_id=generator.id,
        request={"counts": Counter(requested)},
        request_digest=f"{name:0<64}",
        size=len(pictures),
        status=BuildStatus.READY,
        created_at=NOW,
    )
    session.add(batch)
    session.flush()
    screening = Screening(
        batch_id=batch.id,
        parameters=SCREENED_BY,
        parameters_digest=f"{2:064d}",
        status=BuildStatus.READY,
        created_at=NOW,
    )
    session.add(screening)
    session.flush()
    for index, pixels in enumerate(pictures):
        image = add_image(
            project,
            session,
            pixels,
            origin=Origin.SYNTHETIC,
            batch_id=batch.id,
            batch_index=index,
            spacing_row_mm=3.0,
            spacing_column_mm=3.0,
        )
        label = label_id(session, requested[index])
        session.add(ImageLabel(image_id=image.id, label_id=label, source="request", value=1.0))
        session.add(
            ScreenedImage(screening_id=screening.id, image_id=image.id, verdict=ScreeningVerdict.PASS, neighbours=[])
        )
    session.flush()
    return batch
