"""Candidates and real images with files behind them, for tests of controls and reader studies."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from curation.database import Database
from curation.image_store import ImageStore, pixel_sha256
from curation.project import Project
from curation.reading.recipe import WorklistRecipe
from curation.tables.images import BuildStatus, Image, ImageLabel, Import, Label, Origin, Split, Subject
from curation.worklists.choose import choose_candidates
from curation.worklists.controls import Likeness
from tests.builders import oval
from tests.curation.reading_room import NOON, add_screened
from tests.projects import new_project
from tests.worlds.either_database import copy_either

SIZE = 24


def add_study(
    database: Database, store: ImageStore, candidates: int = 12, validation: int = 24, train: int = 12
) -> None:
    """Candidates of classes a and b without files, and real images of both with files."""
    with database.write() as session:
        add_screened(session, candidates)
        session.execute(update(Image).values(height=SIZE, width=SIZE))
        add_pictures(session, store, range(validation), Split.VALIDATION)
        add_pictures(session, store, range(1_000, 1_000 + train), Split.TRAIN)


def add_pictures(session: Session, store: ImageStore, numbers: Sequence[int], split: Split) -> list[int]:
    """Real ovals of classes a and b in turn, each of its own subject; returns image ids."""
    labels = {label.name: label.id for label in session.scalars(select(Label))}
    count = session.scalar(select(func.count()).select_from(Import)) or 0
    source = Import(
        source=f"pictures {count}",
        source_digest=f"p{count:063d}",
        status=BuildStatus.READY,
        subjects_known=True,
        notice=f"notice {count}",
        report={},
        created_at=NOON,
    )
    session.add(source)
    session.flush()
    ids = []
    for number in numbers:
        subject = Subject(key=f"p{number}", split=split, known=True)
        session.add(subject)
        session.flush()
        pixels = oval(number, SIZE)
        image = Image(
            origin=Origin.REAL,
            import_id=source.id,
            subject_id=subject.id,
            file_sha256=store.put_pixels(pixels),
            pixel_sha256=pixel_sha256(pixels),
            height=SIZE,
            width=SIZE,
            channels=1,
            bits=8,
            created_at=NOON,
        )
        session.add(image)
        session.flush()
        session.add(ImageLabel(image_id=image.id, label_id=labels["ab"[number % 2]], source="import", value=1.0))
        ids.append(image.id)
    session.flush()
    return ids


def likeness(database: Database) -> Likeness:
    """What controls must look like here."""
    with database.read() as session:
        return Likeness.of(choose_candidates(session, WorklistRecipe(name="w")))


def make_study_room(root: Path, database_url: str) -> None:
    """A project with twelve candidates, 24 real validation and 12 real training images."""
    project = new_project(root, "study-room", database_url, "store")
    add_study(project.database, project.store)
    project.database.dispose()


@pytest.fixture
def study_room(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[Project]:
    """A copy of that project, once on SQLite and once on PostgreSQL."""
    project = copy_either(request, "study-room", make_study_room, tmp_path / "study-room")
    yield project
    project.database.dispose()
