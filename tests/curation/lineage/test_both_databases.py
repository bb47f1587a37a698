"""Lineage and withdrawal on SQLite and on PostgreSQL: the same walk, the same marks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.database import Database
from curation.lineage.naming import find_node
from curation.lineage.walk import walk
from curation.progress import silent
from curation.project import Project
from curation.verification.verify import verify_project
from curation.withdrawal.withdraw import withdraw
from tests.projects import new_project
from tests.rows import NOW
from tests.worlds.lineage import live_in


@pytest.fixture
def both(database: Database, tmp_path: Path) -> Iterator[Project]:
    """A project with everything in it, once on each database."""
    made = new_project(tmp_path / "both", "both", database.url, "store")
    live_in(made)
    yield made
    made.database.dispose()


@pytest.mark.slow
def test_a_subject_is_walked_and_withdrawn_alike(both: Project) -> None:
    with both.database.read() as session:
        down = walk(session, find_node(session, "subject:s0"), "down")
        up = walk(session, find_node(session, "report:trial"), "up")
    assert (len(down.nodes), len(up.nodes)) == (19, 14)
    done = withdraw(both, NOW, "s0", "", descendants=True, purge=True)
    assert (done.images, len(done.descent.affected)) == (15, 13)
    assert withdraw(both, NOW, "s0", "").images == 0
    assert verify_project(both, silent).faults == []
