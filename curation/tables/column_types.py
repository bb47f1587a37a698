"""The types of columns whose values are checked as they are read: times, JSON, words of a list.

SQLite keeps whatever it is given: text in the place of a time, a list in the place of an object. A value that no
command of Rounds writes raises Damaged with the table and the column, on whatever command, page or worker reads it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, Enum, String, TypeDecorator, type_coerce
from sqlalchemy.types import TypeEngine

from curation.errors import Damaged

SHOWN = 40  # characters of a value in a message


class CheckedType(TypeDecorator[Any]):
    """A type that says what it expects; `place` is the table and the column, set when the table is made."""

    impl: type[TypeEngine[Any]]
    cache_ok = True
    expected: str
    place = "a column"

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any]:
        """Read a value as the type beneath does; raises Damaged where it cannot."""
        read = super().result_processor(dialect, coltype)

        def check(value: Any) -> Any:
            try:
                return value if read is None else read(value)
            except (ValueError, TypeError, LookupError) as error:
                raise Damaged(self._fault(value)) from error

        return check

    def reader(self, dialect: Dialect) -> Callable[[Any], Any]:
        """What reads a value as a database gives it; it raises Damaged."""
        read = self.dialect_impl(dialect).result_processor(dialect, None)
        assert read is not None
        return read

    def _fault(self, value: Any) -> str:
        shown = repr(value)
        shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
        return (
            f"the database holds {shown} in {self.place}; expected {self.expected}. It was not written by Rounds. "
            "`rounds verify` names the row; restore a backup."
        )


class _AsStored(TypeDecorator[Any]):
    """What a checked type reads, and the value as it is stored where that raises Damaged."""

    impl = String
    cache_ok = True

    def __init__(self, checked: CheckedType) -> None:
        super().__init__()
        self.checked = checked

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any]:
        """Read a value, whatever it is."""
        read = self.checked.reader(dialect)

        def read_anyhow(value: Any) -> Any:
            try:
                return read(value)
            except Damaged:
                return value

        return read_anyhow


def as_stored(column: Any) -> Any:
    """A column for a check that goes on: a value of another kind comes as it is stored, and raises nothing."""
    if not isinstance(column.type, CheckedType):
        return column
    return type_coerce(column, _AsStored(column.type)).label(column.name)


class UTCDateTime(CheckedType):
    """An aware UTC time, stored without an offset; a naive time is refused."""

    impl = DateTime
    cache_ok = True
    expected = "a time"

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into naive UTC for the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected an aware time, got the naive {value!r}")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn the naive UTC of the database into an aware time."""
        return None if value is None else value.replace(tzinfo=UTC)


class _PartsOfJson(JSON.Comparator[Any]):
    """Parts of a JSON value, `column["key"]`, may be of any kind."""

    def _setup_getitem(self, index: Any) -> tuple[Any, Any, Any]:
        operator, key, _ = super()._setup_getitem(index)  # type: ignore[no-untyped-call]
        return operator, key, JSON()


class _CheckedJson(CheckedType):
    """JSON of one kind, or JSON's null."""

    impl = JSON
    cache_ok = True
    comparator_factory = _PartsOfJson
    kind: ClassVar[type]

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the value when it is of the kind; raises TypeError for any other."""
        if value is not None and not isinstance(value, self.kind):
            raise TypeError(type(value).__name__)
        return value

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Compare with a key or a path as JSON does."""
        return self.impl_instance.coerce_compared_value(op, value)


class JsonObject(_CheckedJson):
    """A JSON object."""

    cache_ok = True
    expected = "a JSON object"
    kind = dict


class JsonList(_CheckedJson):
    """A JSON list."""

    cache_ok = True
    expected = "a JSON list"
    kind = list


class TextEnum(CheckedType):
    """A string column whose CHECK `name` admits only the values of `words`."""

    impl = Enum
    cache_ok = True

    def __init__(self, words: type[StrEnum], name: str) -> None:
        """Admit the values of `words`."""
        super().__init__(
            words,
            name=name,
            native_enum=False,
            create_constraint=True,
            length=32,
            values_callable=lambda members: [member.value for member in members],
        )
        self.words, self.name = words, name
        self.expected = f"one of {', '.join(words)}"
