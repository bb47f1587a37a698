"""Alembic's entry point: runs revisions on the connection that `Database.migrate` hands over."""

from typing import Any, Literal

from alembic import context

from curation.tables.base import UTCDateTime
from curation.tables.schema import metadata


def render_item(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Write our time type as the plain column it is, so that a revision never depends on today's classes."""
    return "sa.DateTime()" if kind == "type" and isinstance(item, UTCDateTime) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True, render_item=render_item
)
with context.begin_transaction():
    context.run_migrations()
