"""The base of every table: naming convention, key type, UTC times, string enums with a CHECK."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from curation.tables.column_types import CheckedType, JsonList, JsonObject, TextEnum, UTCDateTime

BigKey = BigInteger().with_variant(Integer(), "sqlite")

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The declarative base of every table."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {datetime: UTCDateTime, dict[str, Any]: JsonObject, list[Any]: JsonList}  # noqa: RUF012  SQLAlchemy reads it as a class attribute

    def __init_subclass__(cls, **options: Any) -> None:
        """Tell the types of columns where they stand, for the message about a value of another kind."""
        super().__init_subclass__(**options)
        for column in cls.__table__.columns:
            if isinstance(column.type, CheckedType):
                column.type.place = str(column)


def text_enum(enum: type[StrEnum], name: str) -> TextEnum:
    """A string column whose CHECK `name` admits only the values of `enum`."""
    return TextEnum(enum, name)


class Keyed:
    """A row with a 64-bit primary key (rowid on SQLite)."""

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, sort_order=-1)
