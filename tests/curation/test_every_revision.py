"""Every released schema, with rows in every table, migrates without losing a value."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from curation.database import Database, newest_revision
from curation.tables.schema import metadata
from tests.curation.revisions import ROWS, columns_of, contents, downgrade, fill

# Released schemas, oldest first: a new one is one more line.
RELEASED = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
)


def _filled_at(database: Database, revision: str) -> dict[str, list[str]]:
    downgrade(database, revision)
    with database.engine.execution_options(rounds_write=True).begin() as connection:
        fill(connection)
        return columns_of(connection)


@pytest.mark.slow
@pytest.mark.parametrize("revision", RELEASED)
def test_a_filled_database_of_each_released_schema_keeps_every_value(database: Database, revision: str) -> None:
    columns = _filled_at(database, revision)
    with database.engine.connect() as connection:
        before = contents(connection, columns)
    assert all(len(rows) == ROWS for name, rows in before.items() if name != "event_heads")
    database.migrate()
    assert database.revision() == newest_revision()
    with database.engine.connect() as connection:
        assert contents(connection, columns) == before
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.migrate()
    with database.engine.connect() as connection:
        assert contents(connection, columns) == before


@pytest.mark.slow
def test_the_newest_schema_goes_back_to_the_last_released_one_and_up_again(database: Database) -> None:
    columns = _filled_at(database, RELEASED[-1])
    database.migrate()
    with database.engine.connect() as connection:
        before = contents(connection, columns)
    downgrade(database, RELEASED[-1])
    with database.engine.connect() as connection:
        assert columns_of(connection) == columns
        assert contents(connection, columns) == before
    database.migrate()
    with database.engine.connect() as connection:
        assert contents(connection, columns) == before


def test_every_revision_but_the_newest_is_listed_as_released(database: Database) -> None:
    """Whoever adds a revision is reminded here that the one before it is released now."""
    newest = newest_revision()
    assert newest is not None
    assert int(newest) == int(RELEASED[-1]) + 1
