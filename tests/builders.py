"""Rows for tests: a project on disk, screened candidates with tiny pictures, a worklist over them."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from curation.image_store import Pixels, pixel_sha256
from curation.models.generation import Batch, Generator, ScreenedImage, Screening, ScreeningVerdict
from curation.models.images import BuildStatus, Image, ImageLabel, Label, Origin
from curation.project import Project
from curation.settings import write_project_file

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
CLASSES = ("normal", "ring_lesion", "old_infarct")


def make_project(root: Path) -> Project:
    """A migrated project in `root`."""
    write_project_file(root, root.name, "sqlite:///rounds.db", "store")
    project = Project.open(root)
    project.database.migrate()
    return project


def picture(seed: int, size: int = 64, bits: int = 8, channels: int = 1) -> Pixels:
    """A smooth oval with a bright and a dark spot: (size, size, channels) uint8 or uint16."""
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
    project: Project, session: Session, count: int, bits: int = 8, channels: int = 1, classes: tuple[str, ...] = CLASSES
) -> Batch:
    """A finished, screened batch of `count` pictures; every verdict is pass."""
    generator = Generator(name="tiny", directory="generators/tiny", weights_digest="0" * 64, card={}, created_at=NOW)
    session.add(generator)
    session.flush()
    counts = {name: len(range(place, count, len(classes))) for place, name in enumerate(classes)}
    batch = Batch(
        generator_id=generator.id,
        request={"counts": counts},
        request_digest="1" * 64,
        size=count,
        status=BuildStatus.READY,
        created_at=NOW,
    )
    labels = [Label(name=name) for name in classes]
    session.add_all([batch, *labels])
    session.flush()
    screening = Screening(
        batch_id=batch.id, parameters={}, parameters_digest="2" * 64, status=BuildStatus.READY, created_at=NOW
    )
    session.add(screening)
    session.flush()
    for index in range(count):
        image = _candidate(project, batch.id, index, picture(index, bits=bits, channels=channels), bits)
        session.add(image)
        session.flush()
        label = labels[index % len(labels)]
        session.add(ImageLabel(image_id=image.id, label_id=label.id, source="request", value=1.0))
        session.add(
            ScreenedImage(
                screening_id=screening.id, image_id=image.id, verdict=ScreeningVerdict.PASS, neighbours=[]
            )
        )
    session.flush()
    return batch


def _candidate(project: Project, batch_id: int, index: int, pixels: Pixels, bits: int) -> Image:
    height, width, channels = pixels.shape
    return Image(
        origin=Origin.SYNTHETIC,
        batch_id=batch_id,
        batch_index=index,
        file_sha256=project.store.put_pixels(pixels),
        pixel_sha256=pixel_sha256(pixels),
        height=height,
        width=width,
        channels=channels,
        bits=bits,
        spacing_row_mm=3.0,
        spacing_column_mm=3.0,
        created_at=NOW,
    )
