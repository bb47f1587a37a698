"""Projects that the tests of backups copy and restore."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.database import Database
from curation.project import Project
from tests.curation.lived_in import lived_in


@pytest.fixture
def room(database: Database, tmp_path: Path) -> Iterator[tuple[Project, list[int]]]:
    made = lived_in(tmp_path / "project", database.url)
    yield made
    made[0].database.dispose()


@pytest.fixture
def project_here(tmp_path: Path, migrated_file: Path) -> Iterator[Project]:
    shutil.copy(migrated_file, tmp_path / "rounds.db")
    made = lived_in(tmp_path / "project", f"sqlite:///{tmp_path / 'rounds.db'}", images=6)[0]
    yield made
    made.database.dispose()
