"""Projects that the tests of backups copy and restore."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.project import Project
from tests.worlds.either_database import copy_either, sqlite_world
from tests.worlds.lived_in import lived_in_world, readers_of
from tests.worlds.shared import copy_world


@pytest.fixture
def room(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[tuple[Project, list[int]]]:
    project = copy_either(request, *lived_in_world(30), tmp_path / "project")
    yield project, readers_of(project)
    project.database.dispose()


@pytest.fixture
def project_here(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> Iterator[Project]:
    world = sqlite_world(request, tmp_path_factory, *lived_in_world(6))
    project = Project.open(copy_world(world, tmp_path / "project"))
    yield project
    project.database.dispose()
