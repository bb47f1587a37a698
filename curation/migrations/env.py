"""Alembic's entry point: runs revisions on the connection that `Database.migrate` hands over."""

from typing import Any, Literal

from alembic import context

from curation.tables.column_types import CheckedType
from curation.tables.schema import metadata


def render_item(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Write our own types as the plain columns they are, so that a revision never depends on today's classes."""
    if kind != "type" or not isinstance(item, CheckedType):
        return False
    return f"sa.{item.impl_instance!r}"


connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True, render_item=render_item
)
with context.begin_transaction():
    context.run_migrations()
