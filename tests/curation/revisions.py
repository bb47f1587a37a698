"""Databases as earlier versions left them, with a row in every table, whatever the revision."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    DateTime,
    Enum,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    inspect,
    select,
)

from curation.database import Database, _alembic_config, _engine
from curation.tables.column_types import JsonList, JsonObject, TextEnum
from curation.tables.schema import metadata as newest

AT = datetime(2026, 11, 23, 12, 0)
ROWS = 3
KEPT = {"alembic_version", "event_heads"}


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to `revision`."""
    config = _alembic_config()
    unchecked = _engine(database.engine.url, foreign_keys=False)
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


def tables_of(connection: Connection) -> dict[str, Table]:
    """The tables that are there, as the database describes them, parents first."""
    metadata = MetaData()
    metadata.reflect(connection)
    return {table.name: table for table in metadata.sorted_tables if table.name != "alembic_version"}


def fill(connection: Connection) -> None:
    """Three rows in every table, each column with a value of its own: an enum's next value, a digest, a time.

    Foreign keys lead to the row of the same number. Values go by the newest models' types, where the column has one:
    SQLite keeps no booleans, times or JSON to be read back from its description.
    """
    for table in tables_of(connection).values():
        if table.name in KEPT:
            continue
        for number in range(1, ROWS + 1):
            connection.execute(table.insert().values(_row(table, number)))


def _row(table: Table, number: int) -> dict[str, Any]:
    key = [column.name for column in table.primary_key]
    row: dict[str, Any] = {}
    for column in table.columns:
        described = newest.tables[table.name].columns.get(column.name) if table.name in newest.tables else None
        kind = (column if described is None else described).type
        if column.foreign_keys or (key == [column.name] and isinstance(column.type, Integer)):
            row[column.name] = number
        else:
            row[column.name] = _value(kind, column.name, number)
    if table.name == "readings":
        row["voids_id"] = None if number == 1 else number - 1
    return row


def _value(kind: Any, name: str, number: int) -> Any:
    if isinstance(kind, TextEnum):
        words = list(kind.words)
        return words[number % len(words)].value
    if isinstance(kind, Enum):
        return kind.enums[number % len(kind.enums)]
    if isinstance(kind, JsonList):
        return [number, "größer", None, True]
    if isinstance(kind, JSON | JsonObject):
        return {"n": number, "text": "größer", "list": [1, None, True]}
    if isinstance(kind, Boolean):
        return number % 2 == 0
    if isinstance(kind, Integer):
        return number
    if isinstance(kind, Float):
        return number + 0.25
    if isinstance(kind, String):
        return f"{name}-{number}"[: kind.length or 100]
    if isinstance(kind, DateTime) or getattr(kind, "impl", None) is not None:
        return AT.replace(minute=number)
    raise TypeError(f"no value for a column of {kind!r}")


def contents(connection: Connection, columns: dict[str, list[str]]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the named columns, in order of the first of them."""
    tables = tables_of(connection)
    return {
        name: sorted(map(_comparable, connection.execute(select(*(tables[name].c[column] for column in chosen)))))
        for name, chosen in columns.items()
    }


def columns_of(connection: Connection) -> dict[str, list[str]]:
    """The columns of every table that is there."""
    inspector = inspect(connection)
    names = [name for name in inspector.get_table_names() if name != "alembic_version"]
    return {name: [column["name"] for column in inspector.get_columns(name)] for name in names}


def _comparable(row: Any) -> tuple[Any, ...]:
    return tuple(repr(value) for value in row)
