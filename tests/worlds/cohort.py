"""The cohort of the tests of screening, with the vectors that a screening computes of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from curation.project import Project
from curation.tables.images import Image, Subject
from tests.rows import NOW
from tests.screening.cohort import TRAIN, add_cohort, add_drawn, person
from tests.worlds.shared import copy_world, fill_from, make_once


@pytest.fixture(scope="session")
def cohort_world(
    tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project], tiny_vit: Path
) -> Path:
    """A project with the cohort and its embeddings."""
    from screening.run import screen_batch

    def make(root: Path) -> None:
        project = make_project(root)
        add_cohort(project)
        project.database.dispose()
        screened = Project.open(copy_world(root, tmp_path_factory.mktemp("screened") / "project"))
        batch_id = add_drawn(screened, [person(TRAIN[0])])  # its vectors are those of the cohort
        screen_batch(screened, batch_id, NOW, lambda *_: None, str(tiny_vit))
        screened.database.dispose()
        shutil.copytree(screened.root / "embeddings", root / "embeddings")

    return make_once(tmp_path_factory, "cohort", make)


@pytest.fixture
def cohort(project: Project, cohort_world: Path) -> dict[int, int]:
    """Fill the test's project with the cohort; returns the image id of each subject's number."""
    fill_from(project, cohort_world)
    return image_ids(project)


def image_ids(project: Project) -> dict[int, int]:
    """The image id of each subject's number."""
    with project.database.read() as session:
        rows = session.execute(select(Subject.key, Image.id).join(Image, Image.subject_id == Subject.id))
        return {int(key.removeprefix("p")): image_id for key, image_id in rows}
