"""A backup is one whole state of the project, made while people read."""

import time
import uuid
from pathlib import Path

import pytest
from sqlalchemy import select

from curation.backup.create import back_up, verify_backup
from curation.backup.restore import Places, restore
from curation.errors import BadInput, Unavailable
from curation.image_store import file_name
from curation.progress import silent
from curation.project import Project
from curation.tables.images import Image
from curation.tables.operations import Event
from curation.tables.reading import Reading
from curation.verification.verify import verify_project
from tests.curation.reading_room import LATER, NOON
from tests.postgres import create_database
from tests.small_disk import small_disk
from tests.worlds.lived_in import people_reading


def faults_of(root: Path) -> list[str]:
    """What `rounds verify` says of the project there."""
    project = Project.open(root)
    try:
        return verify_project(project, silent, pixels=True).faults
    finally:
        project.database.dispose()


def bring_back(request: pytest.FixtureRequest, project: Project, kept: Path, name: str = "again") -> Project:
    """Restore the newest backup beside the project, on the same kind of database."""
    url = None
    if project.database.engine.dialect.name == "postgresql":
        server: str = request.getfixturevalue("postgres_server")
        url = create_database(server, f"restored_{uuid.uuid4().hex}", template="template0")
    target = project.root.parent / name
    restore(kept, None, target, Places(database_url=url, secrets=project.root / "secrets"), LATER, silent)
    return Project.open(target)


@pytest.mark.slow
def test_a_backup_made_while_people_read_is_whole(
    request: pytest.FixtureRequest, room: tuple[Project, list[int]], tmp_path: Path
) -> None:
    project, readers = room
    with people_reading(project, readers) as acknowledged:
        while len(acknowledged) < 5:
            time.sleep(0.01)
        before = list(acknowledged)
        made = back_up(project, tmp_path / "kept", NOON, silent)
    assert (made.images, made.missing) == (42, [])
    restored = bring_back(request, project, tmp_path / "kept")
    assert verify_project(restored, silent, pixels=True).faults == []
    with restored.database.read() as session:
        kept = set(session.scalars(select(Reading.op_id)))
        events = session.scalars(select(Event.kind).order_by(Event.sequence)).all()
    assert set(before) <= kept <= set(acknowledged)
    assert events.count("reading.recorded") == len(kept)
    assert events[-1] == "project.restored"
    with project.database.read() as session:
        assert "project.backed_up" in session.scalars(select(Event.kind)).all()
    restored.database.dispose()


@pytest.mark.slow
def test_without_pg_dump_a_backup_of_postgresql_says_what_to_install(
    room: tuple[Project, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = room
    monkeypatch.setenv("PATH", "")
    if project.database.engine.dialect.name == "sqlite":
        assert back_up(project, tmp_path / "kept", NOON, silent).images == 42  # needs no other program
        return
    with pytest.raises(BadInput, match=r"pg_dump is not on the PATH.*postgresql-client"):
        back_up(project, tmp_path / "kept", NOON, silent)
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_second_backup_copies_only_what_is_new_and_both_come_back(project_here: Project, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = back_up(project_here, kept, NOON, silent)
    objects = len(list((kept / "objects").rglob("*")))
    second = back_up(project_here, kept, LATER, silent)
    assert (first.images, second.images) == (18, 18)
    assert second.copied <= 2  # the database, and the anchors
    assert len(list((kept / "objects").rglob("*"))) <= objects + 4
    for name in (first.name, second.name):
        assert verify_backup(kept, name, silent)[1] == []
    secrets = Places(secrets=project_here.root / "secrets")
    assert restore(kept, first.name, tmp_path / "old", secrets, LATER, silent).backup == first.name


@pytest.mark.slow
def test_a_file_the_project_has_lost_is_listed_and_the_rest_is_kept(project_here: Project, tmp_path: Path) -> None:
    with project_here.database.read() as session:
        lost, altered = session.scalars(select(Image.file_sha256).order_by(Image.id.desc()).limit(2)).all()
    (project_here.root / "store" / file_name(lost)).unlink()
    (project_here.root / "store" / file_name(altered)).write_bytes(b"altered")
    made = back_up(project_here, tmp_path / "kept", NOON, silent)
    assert sorted(made.missing) == sorted([file_name(lost), f"{file_name(altered)} (its bytes were changed)"])
    secrets = Places(secrets=project_here.root / "secrets")
    restored = restore(tmp_path / "kept", None, tmp_path / "again", secrets, NOON, silent)
    assert restored.images == 16
    assert len(faults_of(tmp_path / "again")) == 2


@pytest.mark.slow
def test_a_file_the_store_has_lost_is_taken_from_a_snapshot_that_holds_it(
    project_here: Project, tmp_path: Path
) -> None:
    with project_here.database.read() as session:
        lost = session.scalars(select(Image.file_sha256).order_by(Image.id).limit(1)).one()
    (project_here.root / "store" / file_name(lost)).unlink()
    assert back_up(project_here, tmp_path / "kept", NOON, silent).missing == []
    restore(tmp_path / "kept", None, tmp_path / "again", Places(secrets=project_here.root / "secrets"), NOON, silent)
    assert faults_of(tmp_path / "again") == []


def test_a_backup_inside_the_project_is_refused(project_here: Project) -> None:
    with pytest.raises(BadInput, match="inside the project"):
        back_up(project_here, project_here.root / "kept", NOON, silent)


@pytest.mark.slow
def test_a_full_disk_leaves_no_backup_that_looks_whole(project_here: Project, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 300) as small:
        with pytest.raises(Unavailable, match="space"):
            back_up(project_here, small / "kept", NOON, silent)
        assert list((small / "kept").glob("*.jsonl")) == []
        assert list((small / "kept").rglob("*.part")) == []
    assert verify_project(project_here, silent).faults == []
