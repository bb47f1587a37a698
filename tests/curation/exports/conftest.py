"""Projects that every test of exports reads and none changes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curation.project import Project
from tests.worlds.exports import KINDS, export_world, export_worlds  # noqa: F401  (fixtures)
from tests.worlds.shared import copy_world


@pytest.fixture(scope="session", params=list(KINDS))
def each_kind(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    export_worlds: Callable[[str], Path],  # noqa: F811
) -> Iterator[Project]:
    """A filled project of 8 bit gray, of 16 bit gray and of RGB images."""
    made = Project.open(copy_world(export_worlds(request.param), tmp_path_factory.mktemp(request.param)))
    yield made
    made.database.dispose()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, export_world: Path) -> Iterator[Project]:  # noqa: F811
    """A filled project of 8 bit gray images."""
    made = Project.open(copy_world(export_world, tmp_path_factory.mktemp("filled")))
    yield made
    made.database.dispose()
