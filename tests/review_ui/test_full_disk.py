"""Readings posted while the disk is full are not acknowledged, so that the viewer sends them again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from curation.progress import silent
from curation.project import Project
from curation.tables.reading import Reading
from curation.verification.verify import verify_project
from tests.copies import copied
from tests.curation.test_full_disk import fill_up
from tests.review_ui.conftest import Browser
from tests.review_ui.routes.test_reading import send, verdict
from tests.small_disk import small_disk
from tests.worlds.recorded import record_rows


@pytest.fixture
def project(template: tuple[Project, int], tmp_path: Path) -> Iterator[Project]:
    """A copy of the template on a small disk of its own."""
    size = sum(path.stat().st_size for path in template[0].root.rglob("*") if path.is_file()) // 1024
    with small_disk(tmp_path / "small", size + 1_500) as small:
        made = copied(template[0], small / "project")
        record_rows(made)
        yield made
        made.database.dispose()


@pytest.mark.slow
def test_nothing_is_acknowledged_on_a_full_disk_and_everything_is_saved_once_there_is_room(
    ada: Browser, project: Project, worklist_id: int
) -> None:
    keys = ada.claim(worklist_id, 12)
    assert send(ada, worklist_id, verdict(keys[0]))["results"][0]["state"] == "saved"
    filler = fill_up(project.root)
    waiting = [verdict(key, comment="x" * 1_500) for key in keys[1:]]
    acknowledged, kept = 0, list(waiting)
    for operation in waiting:
        body = {"worklist_id": worklist_id, "operations": [operation]}
        answer = ada.client.post("/rounds/api/readings", json=body, headers=ada.headers)
        if answer.status_code == 200:  # room that the log of the database had taken before
            acknowledged += 1
            kept.remove(operation)
            continue
        assert answer.status_code == 503, answer.text
        assert "Free some space" in answer.json()["error"]
        assert "results" not in answer.json()
    assert kept
    assert ada.client.get("/rounds/health").text == "ok"
    filler.unlink()
    answer = send(ada, worklist_id, *waiting)
    assert [result["state"] for result in answer["results"]] == ["saved"] * len(waiting)
    with project.database.read() as session:
        stored = session.scalars(select(Reading.op_id)).all()
    assert len(stored) == 12
    assert {operation["op_id"] for operation in waiting} < set(stored)
    assert verify_project(project, silent).faults == []
