"""Small real projects for tests: images with their rows, drawn by numpy instead of a generator."""

from datetime import UTC, datetime

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.image_store import Pixels, pixel_sha256
from curation.project import Project
from curation.readers.consent import Display, Experience, Steps, record_consent
from curation.tables.generation import Batch, Generator, GeneratorPixels, GeneratorSubject
from curation.tables.images import BuildStatus, Image, ImageLabel, Import, Label, Origin, Split, Subject

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


EXPERIENCE = Experience(profession="researcher", years_reading=3, specialty="neuroradiology")
DISPLAY = Display(dark=Steps(shown=4, seen=4), light=Steps(shown=3, seen=3), width=1440, height=900, pixel_ratio=1)


def add_consent(session: Session, chain: Chain, reader_id: int) -> None:
    """A reader who has been through the welcome page."""
    record_consent(session, chain, NOW, reader_id, EXPERIENCE, DISPLAY)


def label_id(session: Session, name: str) -> int:
    """The id of a label, made when missing."""
    label = session.scalars(select(Label).where(Label.name == name)).one_or_none()
    if label is None:
        label = Label(name=name)
        session.add(label)
        session.flush()
    return label.id


def picture(number: int, size: int = 16, channels: int = 1) -> Pixels:
    """A picture that no other number gives: (size, size, channels) uint8."""
    return np.random.default_rng(number).integers(0, 256, (size, size, channels), dtype=np.uint8)


def add_image(project: Project, session: Session, pixels: Pixels, **columns: object) -> Image:
    """Store `pixels` and add the row; `columns` name its origin and what it belongs to."""
    height, width, channels = pixels.shape
    image = Image(
        file_sha256=project.store.put_pixels(pixels),
        pixel_sha256=pixel_sha256(pixels),
        height=height,
        width=width,
        channels=channels,
        bits=pixels.dtype.itemsize * 8,
        created_at=NOW,
        **columns,
    )
    session.add(image)
    session.flush()
    return image


def add_import(session: Session, name: str = "test", known: bool = True, notice: str | None = None) -> Import:
    """A finished import."""
    source = Import(
        source=name,
        source_digest=f"{name:0<64}",
        status=BuildStatus.READY,
        subjects_known=known,
        notice=notice,
        report={},
        created_at=NOW,
    )
    session.add(source)
    session.flush()
    return source


def add_real(project: Project, session: Session, source: Import, number: int, label: str, split: Split) -> Image:
    """One real image of its own subject `s<number>`."""
    subject = Subject(key=f"s{number}", split=split, known=source.subjects_known)
    session.add(subject)
    session.flush()
    image = add_image(project, session, picture(number), origin=Origin.REAL, import_id=source.id, subject_id=subject.id)
    session.add(ImageLabel(image_id=image.id, label_id=label_id(session, label), source="import", value=1.0))
    return image


def add_generator(session: Session, name: str, subjects: tuple[str, ...], pixels: tuple[str, ...]) -> Generator:
    """A registered generator whose card says what it saw; of weights beside the project, so that it needs no folder."""
    generator = Generator(name=name, directory="shipped", weights_digest=f"{name:0<64}", card={}, created_at=NOW)
    session.add(generator)
    session.flush()
    session.add_all(GeneratorSubject(generator_id=generator.id, subject_key=key) for key in subjects)
    session.add_all(GeneratorPixels(generator_id=generator.id, pixel_sha256=digest) for digest in pixels)
    session.flush()
    return generator


def add_batch(
    project: Project, session: Session, generator: Generator, labels: list[str], first_number: int = 10_000
) -> list[Image]:
    """A finished batch with one image per label."""
    batch = Batch(
        generator_id=generator.id,
        request={"first": first_number},
        request_digest=f"{first_number:064d}",
        size=len(labels),
        status=BuildStatus.READY,
        created_at=NOW,
    )
    session.add(batch)
    session.flush()
    images = []
    for index, label in enumerate(labels):
        image = add_image(
            project,
            session,
            picture(first_number + index),
            origin=Origin.SYNTHETIC,
            batch_id=batch.id,
            batch_index=index,
        )
        session.add(ImageLabel(image_id=image.id, label_id=label_id(session, label), source="request", value=1.0))
        images.append(image)
    session.flush()
    return images


def stored(project: Project) -> set[str]:
    """Digests of every whole file in the store."""
    return {path.rsplit("/", 1)[-1].removesuffix(".png") for path in project.store.files() if path.endswith(".png")}


def unfinished(project: Project) -> list[str]:
    """Temporary files that were left behind in the store."""
    return sorted(path for path in project.store.files() if path.endswith(".part"))
