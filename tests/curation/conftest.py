"""One project with everything in it, made once and copied for each test."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curation.project import Project
from tests.curation.lineage.world import live_in


@pytest.fixture(scope="session")
def lived_template(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Path:
    """Three generations of generators, snapshots, runs and a study."""
    made = make_project(tmp_path_factory.mktemp("lineage") / "project")
    live_in(made)
    made.database.dispose()
    return made.root


@pytest.fixture
def lived(lived_template: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of this test's own."""
    shutil.copytree(lived_template, tmp_path / "lived")
    copied = Project.open(tmp_path / "lived")
    yield copied
    copied.database.dispose()
