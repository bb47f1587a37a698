"""The schema is what the first migration makes, on both databases."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, StatementError

from curation.database import Database
from curation.errors import BadInput, Damaged, DatabaseAway
from curation.tables.images import Image, Origin, Split, Subject
from curation.tables.operations import Job, JobStatus
from curation.tables.schema import metadata

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def job(created_at: datetime) -> Job:
    return Job(kind="test", payload={"a": [1, None]}, status=JobStatus.QUEUED, created_at=created_at)


def test_the_migration_makes_exactly_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.check_revision()


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.write() as session:
        session.add(Subject(key="s1", split=Split.TRAIN, known=True))
    database.migrate()
    with database.read() as session:
        assert session.scalars(select(Subject.key)).all() == ["s1"]


def test_an_unmigrated_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatabaseAway, match=r"there is no database .*empty.db"):
        Database(f"sqlite:///{tmp_path}/empty.db").check_revision()
    assert not (tmp_path / "empty.db").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(Damaged, match=r"empty or damaged.*Restore a backup.*rounds init"):
        Database(f"sqlite:///{tmp_path}/empty.db").check_revision()


def test_times_come_back_in_utc_and_naive_ones_are_refused(database: Database) -> None:
    with database.write() as session:
        session.add(job(NOON.astimezone(timezone(timedelta(hours=9)))))
    with database.read() as session:
        stored = session.scalars(select(Job)).one()
        assert (stored.created_at, stored.created_at.tzinfo, stored.payload) == (NOON, UTC, {"a": [1, None]})
    with pytest.raises(StatementError, match="naive"), database.write() as session:
        session.add(job(NOON.replace(tzinfo=None)))


def test_an_enum_admits_only_its_values(database: Database) -> None:
    insert = "INSERT INTO subjects (key, split, known) VALUES ('s', 'training', :known)"
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(text(insert), {"known": True})


def test_foreign_keys_are_enforced(database: Database) -> None:
    columns = {"file_sha256": "f", "pixel_sha256": "p", "height": 1, "width": 1, "channels": 1, "bits": 8}
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(Image(origin=Origin.REAL, subject_id=404, created_at=NOON, **columns))


def test_an_error_rolls_everything_back(database: Database) -> None:
    def fail_half_way() -> None:
        with database.write() as session:
            session.add(job(NOON))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    with database.read() as session:
        assert session.scalars(select(Job)).all() == []


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(BadInput, match="expected a database URL"):
        Database("sqlite://")
