"""Lineage and withdrawal on SQLite and on PostgreSQL: the same walk, the same marks."""

from pathlib import Path

from curation.database import Database
from curation.lineage.nodes import find
from curation.lineage.walk import walk
from curation.lineage.withdrawal import withdraw
from curation.project import Project
from curation.settings import write_project_file
from curation.verification import verify_project
from tests.curation.lineage.world import QUIET, live_in
from tests.rows import NOW


def test_a_subject_is_walked_and_withdrawn_alike(database: Database, tmp_path: Path) -> None:
    root = tmp_path / "both"
    write_project_file(root, "both", database.url, "store")
    project = Project.open(root)
    project.__dict__["database"] = database  # the fixture's, which it also closes
    live_in(project)
    with project.database.read() as session:
        down = walk(session, find(session, "subject:s0"), "down")
        up = walk(session, find(session, "report:trial"), "up")
    assert (len(down.nodes), len(up.nodes)) == (19, 14)
    done = withdraw(project, NOW, "s0", "", descendants=True, purge=True)
    assert (done.images, len(done.descent.affected)) == (15, 13)
    assert withdraw(project, NOW, "s0", "").images == 0
    assert verify_project(project, QUIET).faults == []
