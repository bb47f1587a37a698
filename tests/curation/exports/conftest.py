"""Projects that every test of exports reads and none changes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curation.project import Project
from tests.curation.exports.projects import fill

KINDS = {"gray8": (8, 1), "gray16": (16, 1), "rgb": (8, 3)}


@pytest.fixture(scope="session", params=list(KINDS))
def each_kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]
) -> Iterator[Project]:
    """A filled project of 8 bit gray, of 16 bit gray and of RGB images."""
    made = make_project(tmp_path_factory.mktemp(request.param) / "project")
    fill(made, *KINDS[request.param])
    yield made
    made.database.dispose()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Iterator[Project]:
    """A filled project of 8 bit gray images."""
    made = make_project(tmp_path_factory.mktemp("filled") / "project")
    fill(made)
    yield made
    made.database.dispose()
