"""The same rows give the same snapshot on SQLite and on PostgreSQL, whatever its collation."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.database import Database
from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot, find_snapshot, list_snapshots
from curation.snapshots.diff import diff_snapshots
from curation.snapshots.mix import MixRecipe
from curation.snapshots.preview import preview_snapshot
from curation.verification.snapshot_folders import verify_folder
from tests.curation.snapshots.filled import fill
from tests.postgres import create_database
from tests.projects import new_project
from tests.rows import NOW

RECIPE = MixRecipe.model_validate({"max_ratio": 0.4, "weights": {"origins": {"synthetic": 0.5}}, "balance": "weights"})
DIGEST = "2da158ce75ae1f31f959423c6f9e8929bf26092256610e956890a7c65040b628"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    """A migrated project, once on SQLite and once on PostgreSQL."""
    root = tmp_path / "project"
    url = "sqlite:///rounds.db"
    if request.param == "postgres":
        server: str = request.getfixturevalue("postgres_template")
        url = create_database(server, f"rounds_{uuid.uuid4().hex}", template="migrated")
    new_project(root, "either", url, "store")
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), root / "rounds.db")
    project = Project.open(root)
    assert isinstance(project.database, Database)
    yield project
    project.database.dispose()


def test_a_snapshot_is_previewed_built_listed_and_compared(either: Project) -> None:
    fill(either)
    with either.database.read() as session:
        preview = preview_snapshot(session, RECIPE)
    folder = build_snapshot(either, "one", RECIPE, NOW, silent)
    build_snapshot(either, "two", MixRecipe(synthetic="raw"), NOW, silent)
    assert folder.digest == preview.digest == DIGEST
    assert verify_folder(folder, silent) == []
    with either.database.read() as session:
        assert [(summary.name, summary.stale) for summary in list_snapshots(session)] == [
            ("one", False),
            ("two", False),
        ]
        changes = diff_snapshots(session, find_snapshot(session, "one"), find_snapshot(session, "two"))
    assert changes.counts["added"] == 5
