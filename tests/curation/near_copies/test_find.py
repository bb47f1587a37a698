"""Imports say which held-out images look like a training image, and a withdrawal forgets it."""

import numpy as np
from sqlalchemy import delete, select

from curation.near_copies.find import find_near_copies
from curation.near_copies.on_record import count_near_copies, is_searched, list_near_copies
from curation.project import Project
from curation.status import project_status
from curation.tables.images import Split
from curation.tables.near_copies import NearCopy, NearCopySearch
from curation.withdrawal.withdraw import withdraw
from tests.curation.near_copies.scans import import_scans, leaky
from tests.rows import NOW

FOUND = {("v1", "t1"), ("x2", "t2"), ("x3", "r0")}


def listed(project: Project) -> set[tuple[str, str]]:
    with project.database.read() as session:
        return {(row.subject, row.like_subject) for row in list_near_copies(session)}


def test_an_import_says_how_many_held_out_images_look_like_a_training_image(project: Project) -> None:
    report = import_scans(project, leaky())
    assert listed(project) == FOUND
    assert "2 of 6 held-out images (validation 1 of 3, test 1 of 3) look like a training image" in report.notes[-1]
    assert "--group-near-copies" in report.notes[-1]
    assert import_scans(project, leaky()).notes[-1] == report.notes[-1]
    with project.database.read() as session:
        status = project_status(session, project, NOW).near_copies
    assert status == {"validation": {"images": 3, "near_copies": 1}, "test": {"images": 3, "near_copies": 1}}


def test_an_import_without_near_copies_says_nothing(project: Project) -> None:
    report = import_scans(project, [entry for entry in leaky() if not entry[2]])
    assert not any("held-out" in note for note in report.notes)
    with project.database.read() as session:
        assert is_searched(session)


def test_a_later_import_is_compared_with_what_was_here_in_both_directions(project: Project) -> None:
    import_scans(project, [entry for entry in leaky() if entry[3] is not Split.TRAIN], "first")
    assert listed(project) == {("x3", "r0")}
    later = [entry for entry in leaky() if entry[3] is Split.TRAIN]
    import_scans(project, [*later, ("v9", 0, True, Split.VALIDATION)], "second")
    assert listed(project) == FOUND | {("v9", "t0")}


def test_a_project_of_an_earlier_version_is_searched_from_its_store(project: Project) -> None:
    import_scans(project, leaky())
    for file in (project.root / "embeddings").iterdir():
        file.unlink()
    with project.database.write() as session:
        session.execute(delete(NearCopy))
        session.execute(delete(NearCopySearch))
    with project.database.read() as session:
        assert not is_searched(session)
        assert project_status(session, project, NOW).near_copies is None
    find_near_copies(project, NOW)
    assert listed(project) == FOUND
    find_near_copies(project, NOW)
    with project.database.read() as session:
        assert len(session.scalars(select(NearCopySearch)).all()) == 1


def test_a_withdrawal_forgets_what_was_stored_of_the_subject_on_either_side(project: Project) -> None:
    import_scans(project, leaky())
    [rows] = (project.root / "embeddings").glob("*.rows")
    before = rows.read_text()
    for key in ("t1", "x2"):
        withdraw(project, NOW, key, "asked to")
    assert listed(project) == {("x3", "r0")}
    with project.database.read() as session:
        assert len(session.scalars(select(NearCopy)).all()) == 1
        assert [count.near_copies for count in count_near_copies(session)] == [0, 0]
    gone = [place for place, line in enumerate(rows.read_text().splitlines()) if line.startswith("withdrawn-")]
    assert len(gone) == 2
    assert "withdrawn" not in before
    prints = np.fromfile(rows.with_suffix(".f32"), np.float32).reshape(-1, 1024)
    assert not prints[gone].any()
