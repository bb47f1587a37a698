"""Find values of a kind that no command writes: text for a number, a list for an object, no time.

PostgreSQL keeps the kinds of its columns by itself, but not of what stands in JSON; SQLite keeps none.
"""

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Float,
    Integer,
    Select,
    String,
    Table,
    case,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import Session

from curation.database import Database
from curation.errors import Damaged
from curation.tables.column_types import CheckedType, JsonObject, TextEnum, UTCDateTime
from curation.tables.schema import metadata

EXAMPLES = 3
NUMBERS = ("integer", "real", "null")


def stored_value_faults(session: Session) -> Iterator[str]:
    """Name the table, the column and the first rows of each kind of wrong value."""
    sqlite = session.get_bind().dialect.name == "sqlite"
    for table in metadata.sorted_tables:
        suspects, look = _look_for(table, sqlite)
        # One look at the whole table first: nearly always there is nothing, and columns are many.
        if not suspects or session.scalar(look) is None:
            continue
        for column, suspect in suspects.items():
            yield from _faults_of_column(session, table, column, suspect)


@cache
def _look_for(table: Table, sqlite: bool) -> tuple[dict[Column[Any], ColumnElement[bool]], Select[int]]:
    """The condition on each column that may hold another kind, and the query whether any holds; built once a table."""
    suspects = {column: suspect for column in table.columns if (suspect := _suspect(column, sqlite)) is not None}
    look = select(literal_column("1", Integer)).select_from(table).where(or_(False, *suspects.values()))
    return suspects, look.limit(1)


def find_wrong_values(database: Database) -> list[str]:
    """List the first wrong values of a database that answers."""
    with database.read() as session:
        return list(islice(stored_value_faults(session), EXAMPLES))


def _faults_of_column(
    session: Session, table: Table, column: Column[Any], suspect: ColumnElement[bool]
) -> Iterator[str]:
    key = [type_coerce(part, String()) for part in table.primary_key]  # as it stands, whatever its kind
    rows = session.execute(select(type_coerce(column, String()), *key).where(suspect).order_by(*key))
    wrong = list(islice((row for row in rows if not _is_readable(session, column, row[0])), EXAMPLES + 1))
    if wrong:
        named = ", ".join("/".join(str(part) for part in row[1:]) for row in wrong[:EXAMPLES])
        more = ", ..." if len(wrong) > EXAMPLES else ""
        yield f"{column} holds values that Rounds never writes, such as {_short(wrong[0][0])}; rows: {named}{more}"


def _is_readable(session: Session, column: Column[Any], value: Any) -> bool:
    """Whether the column's own type takes the value after all; SQLite knows no NaN in JSON, and Python does."""
    if not isinstance(column.type, CheckedType):
        return False
    try:
        column.type.reader(session.get_bind().dialect)(value)
    except Damaged:
        return False
    return True


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}..."


def _suspect(column: Column[Any], sqlite: bool) -> ColumnElement[bool] | None:
    """The condition for a value that may be of another kind; None where the database keeps the kind itself."""
    kind = column.type
    if isinstance(kind, TextEnum):
        return type_coerce(column, String()).not_in([str(word) for word in kind.words])
    if isinstance(kind, CheckedType) and not isinstance(kind, UTCDateTime):
        return _other_json(column, "object" if isinstance(kind, JsonObject) else "array", sqlite)
    return _other_kind(column) if sqlite else None


def _other_json(column: Column[Any], expected: str, sqlite: bool) -> ColumnElement[bool]:
    stored = type_coerce(column, String())
    if not sqlite:
        return func.json_typeof(column).not_in((expected, "null"))
    text = func.typeof(stored) == "text"
    right = func.json_type(stored).in_((expected, "null"))
    return column.is_not(None) & case((text & (func.json_valid(stored) == 1), right), else_=False).is_(False)


def _other_kind(column: Column[Any]) -> ColumnElement[bool] | None:
    stored = type_coerce(column, String())
    if isinstance(column.type, UTCDateTime):
        return column.is_not(None) & func.strftime("%Y-%m-%d %H:%M:%S", stored, "+0 days").is_distinct_from(
            func.substr(stored, 1, 19)
        )
    if isinstance(column.type, Integer | Boolean):
        return func.typeof(stored).not_in(("integer", "null"))
    if isinstance(column.type, Float):
        return func.typeof(stored).not_in(NUMBERS)
    return func.typeof(stored).not_in(("text", "null")) if isinstance(column.type, String) else None
