"""Databases as earlier versions left them."""

import shutil
from pathlib import Path

from alembic import command

from curation.database import Database, _alembic_config, _engine


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to `revision`."""
    config = _alembic_config()
    unchecked = _engine(database.url, foreign_keys=False)
    try:
        with unchecked.execution_options(rounds_write=True).begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, revision)
    finally:
        unchecked.dispose()


def downgraded_copy(source: Path, target: Path, revision: str) -> Path:
    """A copy of an SQLite file at an earlier revision, in one file."""
    shutil.copyfile(source, target)
    database = Database(f"sqlite:///{target}")
    downgrade(database, revision)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return target
