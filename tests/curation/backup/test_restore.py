"""A restored project goes on where its backup was; a restore is whole or refused."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from curation.backup.create import back_up, verify_backup
from curation.backup.pool import BackupDirectory, BackupEntry, ManifestWriter
from curation.backup.restore import Places, restore
from curation.errors import BadInput, Conflict, Damaged, NotFound
from curation.progress import silent
from curation.project import Project
from curation.reading.claims import claim
from curation.reading.record import record_reading
from curation.tables.people import SignIn
from curation.verification.verify import verify_project
from tests.curation.backup.test_backup import bring_back, faults_of
from tests.curation.reading_room import LATER, NOON, verdict
from tests.curation.revisions import downgraded_copy


@pytest.mark.slow
def test_a_restored_project_goes_on_where_the_backup_was(
    request: pytest.FixtureRequest, room: tuple[Project, list[int]], tmp_path: Path
) -> None:
    project, [ada, ben] = room
    with project.database.write() as session:
        [first, second] = claim(session, NOON, ada, 1, 2)
        record_reading(session, project.chain, NOON, ada, verdict(first.key))
    back_up(project, tmp_path / "kept", NOON, silent)
    restored = bring_back(request, project, tmp_path / "kept")
    with restored.database.write() as session:
        assert session.scalars(select(SignIn.revoked_at)).all() == [LATER]
        held = [item.key for item in claim(session, LATER + timedelta(seconds=1), ben, 1, 29)]
        assert second.key in held  # whoever held it on the old server holds it no longer
        assert first.key not in held
        record_reading(session, restored.chain, LATER, ben, verdict(held[0]))
    assert verify_project(restored, silent).faults == []
    restored.database.dispose()


@pytest.mark.slow
def test_postgresql_is_restored_into_an_empty_database_only(room: tuple[Project, list[int]], tmp_path: Path) -> None:
    project, _ = room
    if project.database.engine.dialect.name == "sqlite":
        url, refusal = "sqlite:///other.db", "Leave --database-url out"
    else:
        url, refusal = project.database.url, "holds .* tables already"
    back_up(project, tmp_path / "kept", NOON, silent)
    secrets = project.root / "secrets"
    with pytest.raises((BadInput, Conflict), match=refusal):
        restore(tmp_path / "kept", None, tmp_path / "again", Places(url, secrets=secrets), NOON, silent)
    assert not (tmp_path / "again").exists()
    assert verify_project(project, silent).faults == []


@pytest.mark.slow
def test_secrets_come_only_when_asked_for_and_a_restore_without_them_is_refused(
    project_here: Project, tmp_path: Path
) -> None:
    key = (project_here.root / "secrets" / "audit.key").read_bytes()
    back_up(project_here, tmp_path / "without", NOON, silent)
    held = [path.read_bytes() for path in (tmp_path / "without" / "objects").rglob("*") if path.is_file()]
    assert key not in held
    with pytest.raises(BadInput, match="--secrets"):
        restore(tmp_path / "without", None, tmp_path / "again", Places(), NOON, silent)
    with pytest.raises(NotFound, match=r"audit\.key"):
        restore(tmp_path / "without", None, tmp_path / "again", Places(secrets=tmp_path), NOON, silent)
    back_up(project_here, tmp_path / "with", NOON, silent, with_secrets=True)
    restore(tmp_path / "with", None, tmp_path / "again", Places(), NOON, silent)
    restored = tmp_path / "again" / "secrets" / "audit.key"
    assert (restored.read_bytes(), restored.stat().st_mode & 0o777) == (key, 0o600)
    assert faults_of(tmp_path / "again") == []


def test_another_projects_keys_are_found_out(project_here: Project, tmp_path: Path) -> None:
    back_up(project_here, tmp_path / "kept", NOON, silent)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "audit.key").write_bytes(b"x" * 32)
    with pytest.raises(BadInput, match="not the key"):
        restore(tmp_path / "kept", None, tmp_path / "again", Places(secrets=tmp_path / "other"), NOON, silent)
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("kind", ["image", "database", "file"])
def test_a_damaged_backup_is_refused_whole(project_here: Project, tmp_path: Path, kind: str) -> None:
    kept = tmp_path / "kept"
    back_up(project_here, kept, NOON, silent)
    manifest, _ = verify_backup(kept, None, silent)
    entry = next(entry for entry in manifest.entries() if entry.kind == kind)
    damaged = kept / "objects" / entry.sha256[:2] / entry.sha256
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    assert any("its bytes were changed" in fault for fault in verify_backup(kept, None, silent)[1])
    secrets = Places(secrets=project_here.root / "secrets")
    with pytest.raises(Damaged, match="nothing was restored"):
        restore(kept, None, tmp_path / "again", secrets, NOON, silent)
    assert not (tmp_path / "again").exists()
    assert list(tmp_path.glob(".again*")) == []


def test_an_altered_or_cut_manifest_is_refused(project_here: Project, tmp_path: Path) -> None:
    made = back_up(project_here, tmp_path / "kept", NOON, silent)
    path = tmp_path / "kept" / f"{made.name}.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3] + lines[4:]))
    with pytest.raises(Damaged, match="altered"):
        verify_backup(tmp_path / "kept", None, silent)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(Damaged, match="not a whole manifest"):
        verify_backup(tmp_path / "kept", None, silent)


def test_a_manifest_that_leads_outside_the_project_is_refused(project_here: Project, tmp_path: Path) -> None:
    made = back_up(project_here, tmp_path / "kept", NOON, silent)
    path = tmp_path / "kept" / f"{made.name}.jsonl"
    body = "".join(path.read_text().splitlines(keepends=True)[:-1])
    body = body.replace("snapshots/first/snapshot.json", "../../stolen")
    path.write_text(body + json.dumps({"seal": hashlib.sha256(body.encode()).hexdigest()}) + "\n")
    with pytest.raises(Damaged, match="outside a project"):
        restore(
            tmp_path / "kept", None, tmp_path / "again", Places(secrets=project_here.root / "secrets"), NOON, silent
        )


def test_a_restore_never_touches_what_is_there(
    project_here: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(project_here, tmp_path / "kept", NOON, silent)
    secrets = Places(secrets=project_here.root / "secrets")
    with pytest.raises(Conflict, match="not empty"):
        restore(tmp_path / "kept", None, project_here.root, secrets, NOON, silent)
    monkeypatch.setenv("ROUNDS_DATABASE_URL", project_here.database.url)
    with pytest.raises(BadInput, match="ROUNDS_DATABASE_URL"):
        restore(tmp_path / "kept", None, tmp_path / "again", secrets, NOON, silent)


@pytest.mark.slow
def test_an_older_schema_is_restored_as_it_was_and_not_migrated(project_here: Project, tmp_path: Path) -> None:
    back_up(project_here, tmp_path / "kept", NOON, silent)
    manifest = BackupDirectory(tmp_path / "kept").manifest()
    [database] = [entry for entry in manifest.entries() if entry.kind == "database"]
    older = downgraded_copy(BackupDirectory(tmp_path / "kept").object(database.sha256), tmp_path / "older.db", "0002")
    secrets = Places(secrets=project_here.root / "secrets")
    made = restore(_backup_of_older(tmp_path, older), None, tmp_path / "again", secrets, NOON, silent)
    assert (made.schema, made.is_newest_schema, made.sign_ins_revoked) == ("0002", False, 1)
    restored = Project.open(tmp_path / "again")
    with restored.database.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0002"
    restored.database.migrate()
    assert verify_project(restored, silent).faults == []
    restored.database.dispose()


def _backup_of_older(tmp_path: Path, older: Path) -> Path:
    """The backup as an earlier version made it: the same files, the database of its time."""
    pool = BackupDirectory(tmp_path / "kept")
    manifest = pool.manifest()
    header = {key: value for key, value in manifest.header.items() if key != "format"}
    writer = ManifestWriter(pool, "2026-11-23T130000Z", header)
    for entry in manifest.entries():
        if entry.kind == "database":
            kept, _ = pool.keep_file(older)
            entry = BackupEntry("database", "database", kept.sha256, kept.size)
        writer.add(entry)
    writer.seal({key: value for key, value in manifest.end.items() if key != "entries"})
    return pool.directory
