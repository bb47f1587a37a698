"""Worlds on SQLite and on PostgreSQL: a folder and a database that are copied."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.project import Project
from curation.settings import PROJECT_FILE
from tests.postgres import create_database
from tests.worlds.shared import copy_world, make_once

Make = Callable[[Path, str], object]  # fills a folder and the migrated database at an address; leaves nothing open


def copy_either(request: pytest.FixtureRequest, name: str, make: Make, root: Path) -> Project:
    """Open a copy in `root` of the world that `make` fills, on the kind of database that the test has."""
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    if request.getfixturevalue("database_kind") == "sqlite":
        return Project.open(copy_world(sqlite_world(request, factory, name, make), root))
    server: str = request.getfixturevalue("postgres_template")  # each worker has a server of its own
    template = name.replace("-", "_")
    folder = factory.getbasetemp() / f"{name}-postgres"
    if not folder.exists():
        make(folder, create_database(server, template, template="migrated"))
    copy_world(folder, root)
    settings = root / PROJECT_FILE
    url = create_database(server, f"rounds_{uuid.uuid4().hex}", template=template)
    settings.write_text(settings.read_text().replace(f"{server}/{template}", url))
    return Project.open(root)


def sqlite_world(request: pytest.FixtureRequest, factory: pytest.TempPathFactory, name: str, make: Make) -> Path:
    """The folder of a world on SQLite."""
    migrated: Path = request.getfixturevalue("migrated_file")

    def fill(root: Path) -> None:
        root.mkdir()
        shutil.copy(migrated, root / "rounds.db")
        make(root, "sqlite:///rounds.db")

    return make_once(factory, name, fill)
