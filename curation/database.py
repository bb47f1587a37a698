"""Engines and sessions: one schema on SQLite (WAL) and PostgreSQL.

Functions that touch the database take a `Session` first and never commit; the caller owns the transaction:

    with database.write() as session, session.begin():
        ...
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from curation.errors import BadInput, Conflict

BUSY_TIMEOUT_S = 30


class Database:
    """Two session factories over one engine: `write` (BEGIN IMMEDIATE on SQLite) and `read` (deferred)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        self._write = sessionmaker(self.engine.execution_options(rounds_write=True), expire_on_commit=False)
        self._read = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One short transaction that may write: committed at the end, rolled back on any error."""
        with self._write.begin() as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent view; nothing done in it is kept."""
        with self._read() as session:
            yield session

    def migrate(self) -> None:
        """Bring the schema to the newest revision."""
        config = _alembic_config()
        engine = _engine(self.url, foreign_keys=False)
        try:
            with engine.execution_options(rounds_write=True).begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                _check_foreign_keys(connection)
        finally:
            engine.dispose()

    def check_revision(self) -> None:
        """Raise Conflict unless the schema is at the newest revision."""
        with self.engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        expected = ScriptDirectory.from_config(_alembic_config()).get_current_head()
        if found != expected:
            raise Conflict(
                f"the database schema is at revision {found}, this version of Rounds expects {expected}. "
                "Run `rounds init` in the project to migrate it."
            )

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _check_foreign_keys(connection: Connection) -> None:
    """SQLite changes a column by making the table anew, for which it must look away; here it looks again."""
    if connection.dialect.name == "sqlite":
        dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if dangling:
            raise Conflict(
                f"the migration would leave {len(dangling)} rows without what they refer to; nothing changed."
            )


def _engine(url: str, foreign_keys: bool = True) -> Engine:
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return create_engine(parsed, pool_pre_ping=True)
    if backend != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise BadInput(f"expected a database URL sqlite:///FILE or postgresql+psycopg://..., got {url!r}.")
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    if foreign_keys:
        event.listen(engine, "connect", _enforce_foreign_keys)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _enforce_foreign_keys(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("rounds_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
