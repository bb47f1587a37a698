"""Open engines and sessions on SQLite (WAL) and PostgreSQL, with one schema for both.

Functions that touch the database take a `Session` first and never commit; the caller owns the transaction:

    with database.write() as session, session.begin():
        ...
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from curation.errors import BadInput, Conflict, Unavailable

BUSY_TIMEOUT_S = 30

# SQLite's primary result codes when the disk, and not the statement, is at fault.
_SQLITE_REMEDIES = {
    sqlite3.SQLITE_FULL: "Free some space",
    sqlite3.SQLITE_IOERR: "Free some space, or check the disk",
    sqlite3.SQLITE_READONLY: "Let this account write to the database file and its directory",
    sqlite3.SQLITE_CANTOPEN: "Let this account write to the database file and its directory, or free some space",
    sqlite3.SQLITE_BUSY: "Another process has been writing for long. Wait for it to finish",
}


_SAME_MOMENT = (
    "someone else made or changed the same thing at the same moment; nothing was saved. "
    "Look at what is there now, then try again if you still want it."
)


class Database:
    """Two session factories over one engine: `write` (BEGIN IMMEDIATE on SQLite) and `read` (deferred)."""

    def __init__(self, url: str, before_write: Callable[[], None] = lambda: None) -> None:
        """`before_write` runs before each write: the files that new rows will name must be on the disk."""
        self.url = url
        self._before_write = before_write
        self.engine = _engine(url)
        self._write = sessionmaker(self.engine.execution_options(rounds_write=True), expire_on_commit=False)
        # PostgreSQL would show each statement another state; SQLite shows one state for a whole transaction anyway.
        postgresql = {"isolation_level": "REPEATABLE READ"} if self.engine.dialect.name == "postgresql" else {}
        self._read = sessionmaker(self.engine.execution_options(**postgresql), expire_on_commit=False)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a short transaction that may write: committed at the end, rolled back on any error.

        Raises Unavailable when the disk is full or read-only, or the database cannot be reached.
        """
        self._before_write()
        with explain_database_errors(), self._write.begin() as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a consistent view; nothing done in it is saved."""
        with explain_database_errors(), self._read() as session:
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

    def revision(self) -> str | None:
        """The revision of the schema; None for a database without one."""
        with explain_database_errors(), self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def check_revision(self) -> None:
        """Raise Conflict unless the schema is at the newest revision."""
        revision, expected = self.revision(), newest_revision()
        if revision != expected:
            raise Conflict(
                f"the database schema is at revision {revision}, this version of Rounds expects {expected}. "
                "Run `rounds init` in the project to migrate it."
            )

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


@contextmanager
def explain_database_errors() -> Iterator[None]:
    """Turn an error of the database into one meant for the user; in each case nothing was saved.

    A full or read-only disk, a lock held for too long or a lost server becomes Unavailable; a name that another
    transaction took at the same moment becomes Conflict.
    """
    try:
        yield
    except IntegrityError as error:
        if not _is_duplicate(error):
            raise
        raise Conflict(_SAME_MOMENT) from error
    except OperationalError as error:
        if str(getattr(error.orig, "sqlstate", None)).startswith("40"):  # a deadlock, or a change under our feet
            raise Conflict(_SAME_MOMENT) from error
        remedy = _remedy(error)
        if remedy is None:
            raise
        raise Unavailable(
            f"the database cannot be used just now ({str(error.orig).strip()}); nothing was saved. "
            f"{remedy}, then try again."
        ) from error


def _is_duplicate(error: IntegrityError) -> bool:
    """Whether another transaction made the same name or key since this one looked."""
    if isinstance(error.orig, sqlite3.Error):
        codes = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
        return getattr(error.orig, "sqlite_errorcode", 0) in codes
    return getattr(error.orig, "sqlstate", None) == "23505"


def _remedy(error: OperationalError) -> str | None:
    if isinstance(error.orig, sqlite3.Error):
        return _SQLITE_REMEDIES.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
    state = getattr(error.orig, "sqlstate", None)  # PostgreSQL, appendix A: class 53 resources, 57P server gone
    if state is None or state[:2] == "08" or state[:3] == "57P":
        return "See whether the database server runs and can be reached"
    return "Free resources of the database server" if state[:2] == "53" else None


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def newest_revision() -> str | None:
    """The revision that this version of Rounds works with."""
    return ScriptDirectory.from_config(_alembic_config()).get_current_head()


def _check_foreign_keys(connection: Connection) -> None:
    """Check foreign keys after a migration: SQLite cannot check them while it rebuilds a table."""
    if connection.dialect.name == "sqlite":
        dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if dangling:
            raise Conflict(
                f"the migration would leave {len(dangling)} rows that refer to missing rows; nothing changed."
            )


def _engine(url: str, foreign_keys: bool = True) -> Engine:
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return create_engine(parsed, pool_pre_ping=True)
    if backend != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise BadInput(f"expected a database URL sqlite:///FILE or postgresql+psycopg://..., got {url!r}.")
    path = Path(parsed.database)
    if path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        engine = create_engine(parsed, creator=lambda: _open_read_only(path))
    else:
        engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _prepare_sqlite)
    if foreign_keys:
        event.listen(engine, "connect", _enforce_foreign_keys)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_read_only(path: Path) -> sqlite3.Connection:
    """Open a file that this account cannot write, as a copy on a disk that is closed for writing.

    SQLite wants to write notes beside the file even to read it. Without a write-ahead log nobody has it open for
    writing, so that it can be read as it stands.
    """
    log = path.with_name(f"{path.name}-wal")
    as_it_stands = "" if log.is_file() and log.stat().st_size else "&immutable=1"
    address = f"file:{quote(str(path.resolve()))}?mode=ro{as_it_stands}"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
    connection.isolation_level = None
    return connection


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
