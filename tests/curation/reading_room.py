"""Worklists for tests, on any database and without image files: rows only."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.database import Database
from curation.reading.claims import claim
from curation.reading.recipe import WorklistRecipe
from curation.reading.record import record_reading
from curation.reading.request import ReadingRequest
from curation.tables.generation import Batch, Generator, ScreenedImage, Screening, ScreeningVerdict
from curation.tables.images import BuildStatus, Image, ImageLabel, Label, Origin
from curation.tables.people import Reader, ReaderKind, Role
from curation.tables.reading import Reading, Verdict
from curation.worklists.create import create_worklist
from tests.operation_ids import new_op_id

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CHAIN = Chain(b"k" * 32)
LATER = NOON + timedelta(hours=1)


def add_screened(session: Session, count: int) -> list[int]:
    """A finished, screened batch of `count` candidates of classes a and b; returns image ids."""
    generator = Generator(name="g", directory="g", weights_digest="0" * 64, card={}, created_at=NOON)
    labels = [Label(name="a"), Label(name="b")]
    session.add_all([generator, *labels])
    session.flush()
    ready = {"status": BuildStatus.READY, "created_at": NOON}
    batch = Batch(generator_id=generator.id, request={}, request_digest="1" * 64, size=count, **ready)
    session.add(batch)
    session.flush()
    screening = Screening(batch_id=batch.id, parameters={}, parameters_digest="2" * 64, **ready)
    images = [
        Image(
            origin=Origin.SYNTHETIC,
            batch_id=batch.id,
            batch_index=index,
            file_sha256=f"{index:064d}",
            pixel_sha256=f"{index:064d}",
            height=8,
            width=8,
            channels=1,
            bits=8,
            created_at=NOON,
        )
        for index in range(count)
    ]
    session.add_all([screening, *images])
    session.flush()
    for index, image in enumerate(images):
        passed = ScreeningVerdict.PASS
        session.add(ScreenedImage(screening_id=screening.id, image_id=image.id, verdict=passed, neighbours=[]))
        session.add(ImageLabel(image_id=image.id, label_id=labels[index % 2].id, source="request", value=1.0))
    session.flush()
    return [image.id for image in images]


def add_person(session: Session, name: str, kind: ReaderKind = ReaderKind.HUMAN) -> int:
    """A reader who never signs in; returns the id."""
    reader = Reader(name=name, kind=kind, role=Role.READER, created_at=NOON)
    session.add(reader)
    session.flush()
    return reader.id


def reading_room(database: Database, images: int, readers: int, readers_per_image: int = 1) -> tuple[int, list[int]]:
    """A worklist over `images` candidates, and `readers` people; returns ids."""
    rule = "single" if readers_per_image == 1 else "majority"
    recipe = WorklistRecipe.model_validate(
        {"name": "w", "readers_per_image": readers_per_image, "rule": rule, "seed": 3}
    )
    with database.write() as session:
        add_screened(session, images)
        worklist = create_worklist(session, CHAIN, NOON, recipe)
        return worklist.id, [add_person(session, f"r{number}") for number in range(readers)]


def verdict(key: str, op_id: str | None = None, answer: Verdict = Verdict.ACCEPT, **fields: object) -> ReadingRequest:
    """A reading as a client sends it."""
    values = {"op_id": op_id or new_op_id(), "assignment_key": key, "verdict": answer, "read_at": NOON, **fields}
    return ReadingRequest.model_validate(values)


def claimed(database: Database, reader: int, worklist: int, count: int, now: datetime = NOON) -> list[str]:
    """Claim images for a reader; returns the assignments' keys."""
    with database.write() as session:
        return [item.key for item in claim(session, now, reader, worklist, count)]


def read(database: Database, reader: int, key: str, **fields: object) -> bool:
    """Record a verdict; returns whether it was recorded before."""
    with database.write() as session:
        return record_reading(session, CHAIN, NOON, reader, verdict(key, **fields))


def count_readings(database: Database) -> int:
    """Count the rows of readings, those that void others included."""
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Reading)) or 0
