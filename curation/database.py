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
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from curation.errors import BadInput, Conflict, Damaged, DatabaseAway, RoundsError
from curation.store_errors import explain_database_error, explain_database_errors

BUSY_TIMEOUT_S = 30

OnAway = Callable[[DatabaseAway, int], None]


class Database:
    """Two session factories over one engine: `write` (BEGIN IMMEDIATE on SQLite) and `read` (deferred)."""

    def __init__(self, url: URL | str, before_write: Callable[[], None] = lambda: None) -> None:
        """`before_write` runs before each write: the files that new rows will name must be on the disk."""
        address = parse_url(url)
        self.place = place_of(address)
        self._before_write = before_write
        self.on_away: OnAway | None = None  # what waits before a transaction that could not begin is tried again
        self.engine = _engine(address)
        self._write = sessionmaker(self.engine.execution_options(rounds_write=True), expire_on_commit=False)
        # PostgreSQL would show each statement another state; SQLite shows one state for a whole transaction anyway.
        postgresql = {"isolation_level": "REPEATABLE READ"} if self.engine.dialect.name == "postgresql" else {}
        self._read = sessionmaker(self.engine.execution_options(**postgresql), expire_on_commit=False)

    @property
    def url(self) -> str:
        """The address, with its password."""
        return self.engine.url.render_as_string(hide_password=False)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a short transaction that may write: committed at the end, rolled back on any error.

        Raises DatabaseAway when the disk is full or read-only, or the database cannot be reached.
        """
        self._before_write()
        with explain_database_errors(self.place), self._open(self._write) as session:
            yield session
            session.commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a consistent view; nothing done in it is saved."""
        with explain_database_errors(self.place), self._open(self._read) as session:
            yield session

    @contextmanager
    def waiting(self, on_away: OnAway) -> Iterator[None]:
        """Within the block, a transaction that cannot begin because the database is away is tried again.

        `on_away` is given the error and how many tries there were. It waits as long as it wants to, or raises.
        """
        before, self.on_away = self.on_away, on_away
        try:
            yield
        finally:
            self.on_away = before

    def _open(self, sessions: sessionmaker[Session]) -> Session:
        tries = 0
        while True:
            session = sessions()
            if self.on_away is None:
                return session
            try:
                session.connection()  # the transaction begins here: SQLite's lock is taken, a lost server is noticed
                return session
            except (DBAPIError, DatabaseAway) as error:
                session.close()
                away = explain_database_error(error, self.place) if isinstance(error, DBAPIError) else error
                if not isinstance(away, DatabaseAway):
                    raise
                tries += 1
                self.on_away(away, tries)

    def migrate(self) -> None:
        """Bring the schema to the newest revision; raises Conflict when a later version of Rounds made it."""
        config = _alembic_config()
        engine = _engine(self.engine.url, foreign_keys=False, create=True)
        try:
            with (
                explain_database_errors(self.place),
                engine.execution_options(rounds_write=True).begin() as connection,
            ):
                self._refuse_unknown_schema(connection)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                _check_foreign_keys(connection)
        finally:
            engine.dispose()

    def revision(self) -> str | None:
        """The revision of the schema; None for a database without one."""
        with explain_database_errors(self.place), self.engine.connect() as connection:
            return self._revision(connection)

    def _revision(self, connection: Connection) -> str | None:
        try:
            return MigrationContext.configure(connection).get_current_revision()
        except CommandError as error:
            raise Damaged(f"the database {self.place} names more than one revision. Restore a backup.") from error

    def is_empty(self) -> bool:
        """Whether nothing is in it: no file, or neither a revision nor a table."""
        if (files := self.files()) and not files[0].exists():
            return True
        with explain_database_errors(self.place), self.engine.connect() as connection:
            return self._revision(connection) is None and not inspect(connection).get_table_names()

    def check_revision(self) -> None:
        """Raise Conflict unless the schema is at the newest revision, Damaged where there is none."""
        with explain_database_errors(self.place), self.engine.connect() as connection:
            revision, expected = self._refuse_unknown_schema(connection), newest_revision()
        if revision is None:
            raise Damaged(
                f"the database {self.place} is empty or damaged: it has no table. Restore a backup; only where nothing "
                "was imported yet, run `rounds init`."
            )
        if revision != expected:
            raise Conflict(
                f"the database schema is at revision {revision}, this version of Rounds expects {expected}. "
                "Run `rounds init` in the project to migrate it."
            )

    def _refuse_unknown_schema(self, connection: Connection) -> str | None:
        """Return the revision, which `rounds init` can bring up to date; raises Conflict or Damaged for any other."""
        revision = self._revision(connection)
        if revision is None:
            if tables := inspect(connection).get_table_names():
                raise Damaged(
                    f"the database {self.place} holds {len(tables)} tables and no revision of Rounds. Restore a "
                    "backup, or name another database_url."
                )
        elif revision not in {row.revision for row in ScriptDirectory.from_config(_alembic_config()).walk_revisions()}:
            raise Conflict(
                f"the database {self.place} is at revision {revision}, which a later version of Rounds made; this one "
                f"knows revisions up to {newest_revision()}. Use that version; nothing was changed."
            )
        return revision

    def faults(self) -> list[str]:
        """What SQLite's own quick check finds wrong with its file; PostgreSQL looks after its pages itself."""
        if self.engine.dialect.name != "sqlite":
            return []
        try:
            with self.engine.connect() as connection:
                answers = connection.exec_driver_sql("PRAGMA quick_check(3)").scalars().all()
        except (DBAPIError, RoundsError) as error:
            return [" ".join(str(getattr(error, "orig", error)).split())]
        return [" ".join(str(fault).split()) for fault in answers if fault != "ok"]

    def files(self) -> list[Path]:
        """The files of an SQLite database, there or not; none on a server."""
        if self.engine.dialect.name != "sqlite":
            return []
        return [Path(f"{self.place}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")]

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def parse_url(url: URL | str) -> URL:
    """Parse the address of a database; raises BadInput, which never repeats what cannot be parsed."""
    expected = "expected a database URL sqlite:///FILE or postgresql+psycopg://..."
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise BadInput(f"{expected}, got one that cannot be read as a URL.") from error
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.query:
        raise BadInput(
            f"{expected}, got {place_of(parsed)!r} with a query. In a file's name, write ? as %3F, # as %23, % as %25."
        )
    is_file = backend == "sqlite" and not parsed.host and parsed.database not in (None, "", ":memory:")
    if not is_file and backend != "postgresql":
        raise BadInput(f"{expected}, got {parsed.render_as_string(hide_password=True)!r}.")
    if backend == "postgresql" and str(url).count("@") > 1:  # the rest of a password would be a host, and be shown
        raise BadInput(f"{expected}, got one with @ twice. In a user, a password or a name, write @ as %40.")
    return parsed


def file_url(path: Path) -> URL:
    """The address of an SQLite file; a path is no URL, so that `?`, `#` and `%` are letters of its name."""
    return URL.create("sqlite", database=str(path))


def place_of(url: URL) -> str:
    """What messages call a database: its file, or its address without the password."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def _alembic_config() -> Config:
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))  # what follows a % would be a variable
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


def _engine(url: URL, foreign_keys: bool = True, create: bool = False) -> Engine:
    try:
        if url.get_backend_name() == "postgresql":
            return create_engine(url, pool_pre_ping=True)
    except (ArgumentError, ImportError) as error:
        raise BadInput(f"expected a database URL postgresql+psycopg://..., got {place_of(url)!r}.") from error
    path = Path(str(url.database))
    if path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        engine = create_engine(url, creator=lambda: _open_read_only(path))
    else:
        engine = create_engine(url, creator=lambda: _open_file(path, create))
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


def _open_file(path: Path, create: bool) -> sqlite3.Connection:
    """Open an SQLite file; without `create` one that is there, since SQLite would make an empty one."""
    if create and not path.parent.is_dir():
        raise BadInput(
            f"the database {path} cannot be opened: its directory is missing. Make it, or name another database_url."
        )
    if not create and not path.exists():
        raise DatabaseAway(
            f"there is no database {path}. Make its disk available, or restore a backup; only where nothing was "
            "imported yet, run `rounds init`."
        )
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)


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
