"""Screened candidates by the hundred thousand: rows inserted in bulk, a few pictures reused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from curation.image_store import Pixels
from curation.project import Project, open_or_make_project
from curation.readers.accounts import add_reader
from curation.reading.recipe import WorklistRecipe
from curation.tables.generation import Batch, Generator, ScreenedImage, Screening, ScreeningVerdict
from curation.tables.images import BuildStatus, Image, ImageLabel, Label, Origin
from curation.worklists.create import create_worklist
from tests.builders import oval
from tests.e2e.conftest import PASSWORD
from tests.rows import add_consent

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CHUNK = 10_000
DRAWN = 64  # distinct pictures of a project with files


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """What rows say of a stored picture: digest of the file and height, width, channels, bits."""

    file_sha256: str
    shape: tuple[int, int, int, int]


def made_up_pictures(count: int) -> list[StoredPicture]:
    """Pictures of which there are rows only."""
    return [StoredPicture(f"{number:064d}", (64, 64, 1, 8)) for number in range(count)]


def add_screened_rows(session: Session, count: int, pictures: Sequence[StoredPicture], label: str = "a") -> int:
    """A finished, screened batch of `count` candidates, which show the pictures in turn; returns its id."""
    ready = {"status": BuildStatus.READY, "created_at": NOW}
    generator = Generator(name="bulk", directory="bulk", weights_digest="0" * 64, card={}, created_at=NOW)
    labelled = Label(name=label)
    session.add_all([generator, labelled])
    session.flush()
    batch = Batch(generator_id=generator.id, request={}, request_digest="1" * 64, size=count, **ready)
    session.add(batch)
    session.flush()
    screening = Screening(batch_id=batch.id, parameters={}, parameters_digest="2" * 64, **ready)
    session.add(screening)
    session.flush()
    first = (session.scalar(select(func.max(Image.id))) or 0) + 1
    for start in range(0, count, CHUNK):
        numbers = range(start, min(start + CHUNK, count))
        rows = [_image(first + number, number, batch.id, pictures[number % len(pictures)]) for number in numbers]
        session.execute(insert(Image), rows)
        asked = {"label_id": labelled.id, "source": "request", "value": 1.0}
        session.execute(insert(ImageLabel), [{"image_id": row["id"], **asked} for row in rows])
        passed = {"screening_id": screening.id, "verdict": ScreeningVerdict.PASS, "neighbours": []}
        session.execute(insert(ScreenedImage), [{"image_id": row["id"], **passed} for row in rows])
    return batch.id


def _image(image_id: int, index: int, batch_id: int, picture: StoredPicture) -> dict[str, object]:
    height, width, channels, bits = picture.shape
    return {
        "id": image_id,
        "batch_index": index,
        "batch_id": batch_id,
        "origin": Origin.SYNTHETIC,
        "file_sha256": picture.file_sha256,
        "pixel_sha256": f"{index:064d}",  # the place in a worklist depends on it
        "height": height,
        "width": width,
        "channels": channels,
        "bits": bits,
        "created_at": NOW,
    }


def make_project(root: Path, images: int, readers: Sequence[str], url: str = "sqlite:///rounds.db") -> Project:
    """A project with `images` candidates in one worklist that is read singly, and readers who have consented."""
    project, _ = open_or_make_project(root, database_url=url)
    drawn: list[Pixels] = [oval(number, 128) for number in range(DRAWN)]
    pictures = [StoredPicture(project.store.put_pixels(pixels), (*pixels.shape, 8)) for pixels in drawn]
    with project.database.write() as session:
        add_screened_rows(session, images, pictures)
        for name in readers:
            reader = add_reader(session, project.chain, NOW, name, PASSWORD)
            add_consent(session, project.chain, reader.id)
    with project.database.write() as session:
        create_worklist(session, project.chain, NOW, WorklistRecipe(name="bench"))
    return project
