"""Copy one consistent state of an SQLite or PostgreSQL database, and load it again.

SQLite's online backup copies one state and blocks nobody. PostgreSQL's state is exported by a transaction that stays
open, so that pg_dump and the list of files see the very same rows.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, inspect, text
from sqlalchemy.orm import Session

from curation.database import Database, place_of
from curation.errors import BadInput, Conflict, Damaged, NotFound, Unavailable

SQLITE, POSTGRESQL = "sqlite", "postgresql"


@contextmanager
def copied_state(database: Database, target: Path) -> Iterator[Session]:
    """Write a copy of the database to `target`; yield a session that sees exactly the copied state."""
    engine = database.engine
    if engine.dialect.name == SQLITE:
        copy_sqlite(Path(str(engine.url.database)), target)
        frozen = frozen_sqlite(target)
        try:
            with Session(frozen) as session:
                yield session
        finally:
            frozen.dispose()
        return
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        options = ["--format=custom", "--no-owner", "--no-privileges"]
        _run_program("pg_dump", engine.url, options, [f"--snapshot={snapshot}", f"--file={target}"])
        with Session(connection) as session:
            yield session


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy an SQLite file in one step: page by page, the copy would start again at every reading."""
    if not source.is_file():
        raise NotFound(f"there is no database {source}.")
    with closing(sqlite3.connect(source, timeout=30)) as original, closing(sqlite3.connect(target)) as copy:
        try:
            original.backup(copy, pages=-1)
        except sqlite3.OperationalError as error:
            advice = "Free some space there."
            raise Unavailable(f"the database cannot be copied to {target.parent}: {error}. {advice}") from error


def frozen_sqlite(path: Path) -> Engine:
    """Open an SQLite file that nobody writes to, without locks and without files beside it."""
    address = f"file:{quote(str(path))}?mode=ro&immutable=1"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False))


def check_copy(kind: str, path: Path) -> None:
    """Raise Damaged unless the copy can be read as a database."""
    if kind == POSTGRESQL:
        _run_program("pg_restore", None, ["--list"], [str(path)])
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as connection:
            faults = [row[0] for row in connection.execute("PRAGMA quick_check")]
    except sqlite3.DatabaseError as error:
        faults = [str(error)]
    if faults != ["ok"]:
        raise Damaged(f"the copy of the database is not whole: {'; '.join(faults[:3])}. Take another backup.")


def load_copy(kind: str, path: Path, url: URL) -> None:
    """Load a copy into `url`, whole or not at all: a new SQLite file or a PostgreSQL database without tables."""
    if kind == SQLITE:
        shutil.copyfile(path, str(url.database))
        return
    database = Database(url)
    try:
        tables = inspect(database.engine).get_table_names()
    finally:
        database.dispose()
    if tables:
        raise Conflict(
            f"the database {place_of(url)} holds {len(tables)} tables already. "
            "Make a new, empty one (createdb) and name it with --database-url."
        )
    _run_program("pg_restore", url, ["--exit-on-error", "--single-transaction", "--no-owner"], [str(path)])


def _run_program(program: str, url: URL | None, options: list[str], rest: list[str]) -> None:
    """Run a program of PostgreSQL on the database at `url`, if one is given."""
    path = shutil.which(program)
    if path is None:
        raise BadInput(
            f"{program} is not on the PATH: it comes with PostgreSQL's client (on Debian, postgresql-client)."
        )
    address, secrets = program_address(url) if url is not None else ([], {})
    command = [path, *options, *address, *rest]
    done = subprocess.run(command, env={**os.environ, **secrets}, capture_output=True, text=True)
    if done.returncode != 0:
        raise Damaged(f"{program} failed, nothing partial was kept: {done.stderr.strip()[-600:]}")


def program_address(url: URL) -> tuple[list[str], dict[str, str]]:
    """Give the options that lead a program of PostgreSQL to `url`, and the variables that hold its password.

    Other accounts can read a command line, but not the environment. Raises BadInput for a secret that PostgreSQL takes
    from no variable.
    """
    query = dict(url.query)
    if "sslpassword" in query:
        raise BadInput(
            "expected an address of the database without sslpassword: on the command line of PostgreSQL's programs "
            "others could read it. Use a key without a passphrase that its owner alone can read, or name a service "
            "(?service=NAME) whose file says it."
        )
    password = query.pop("password", None) or url.password
    plain = URL.create("postgresql", url.username, None, url.host, url.port, url.database, query)
    secrets = {"PGPASSWORD": str(password)} if password else {}
    return [f"--dbname={plain.render_as_string(hide_password=False)}"], secrets
