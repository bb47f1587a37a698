"""A database of an earlier revision with readings in it is migrated without losing or changing one."""

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from curation.database import Database, _alembic_config
from curation.reading.claims import claim
from curation.reading.progress import progress_of
from curation.reading.record import record_reading
from tests.curation.reading_room import CHAIN, NOON, verdict
from tests.curation.revisions import downgrade

FIRST_ROWS = (
    "INSERT INTO readers (id, name, kind, role, must_change_password, active, failed_sign_ins, created_at)"
    " VALUES (1, 'ada', 'human', 'reader', {no}, {yes}, 0, '{at}')",
    "INSERT INTO generators (id, name, directory, weights_digest, card, created_at)"
    " VALUES (1, 'g', 'g', '0', '{{}}', '{at}')",
    "INSERT INTO batches (id, generator_id, request, request_digest, size, status, created_at)"
    " VALUES (1, 1, '{{}}', '1', 3, 'ready', '{at}')",
    "INSERT INTO worklists (id, name, status, question, label_shown, readers_per_image, rule, classes, reasons, recipe,"
    " size, created_at) VALUES (1, 'w', 'ready', '?', {yes}, 1, '{{\"kind\": \"single\", \"readers\": 1}}', '[]', '[]',"
    " '{{\"seed\": 0}}', 3, '{at}')",
    "INSERT INTO reader_cursors (reader_id, worklist_id, position, done) VALUES (1, 1, 1, 1)",
)
ITEM_ROWS = (
    "INSERT INTO images (id, origin, batch_id, batch_index, file_sha256, pixel_sha256, height, width, channels, bits,"
    " rescale_slope, rescale_intercept, signed_offset, created_at)"
    " VALUES ({id}, 'synthetic', 1, {id}, 'f{id}', 'p{id}', 8, 8, 1, 8, 1, 0, 0, '{at}')",
    "INSERT INTO worklist_items (id, worklist_id, image_id, purpose, position, priority)"
    " VALUES ({id}, 1, {id}, 'candidate', {place}, 0)",
    'INSERT INTO assignments (id, "key", worklist_id, item_id, slot, position, state, reader_id, lease_until)'
    " VALUES ({id}, '{key}', 1, {id}, 0, {place}, '{state}', {reader}, {lease})",
)
READ = (
    "INSERT INTO readings (id, op_id, assignment_id, item_id, reader_id, verdict, reasons, mode, elapsed_ms, read_at,"
    " created_at) VALUES (99, '{op}', 1, 1, 1, 'reject', '[\"blur\"]', 'single', 900, '{at}', '{at}')"
)
AT = "2026-11-23 12:00:00"


@pytest.fixture
def at_first_revision(database: Database) -> Database:
    """A database as the first revision left it: three images, one read, one leased, one open."""
    downgrade(database, "0001")
    yes, no = ("true", "false") if database.engine.dialect.name == "postgresql" else (1, 0)
    with database.engine.begin() as connection:
        for row in FIRST_ROWS:
            connection.exec_driver_sql(row.format(at=AT, yes=yes, no=no).replace("{{", "{").replace("}}", "}"))
        leases = (("done", 1, "NULL"), ("leased", 1, "'2026-11-23 12:10:00'"), ("open", "NULL", "NULL"))
        for number, (state, reader, lease) in enumerate(leases, 1):
            values = {"id": number, "place": number - 1, "state": state, "reader": reader, "lease": lease, "at": AT}
            for row in ITEM_ROWS:
                connection.exec_driver_sql(row.format(key=f"{number:032x}", **values))
        connection.exec_driver_sql(READ.format(op=f"{7:032x}", at=AT))
    return database


@pytest.mark.slow
def test_readings_leases_and_progress_of_the_first_revision_live_on(at_first_revision: Database) -> None:
    database = at_first_revision
    database.migrate()
    database.check_revision()
    with database.engine.connect() as connection:
        row = connection.execute(text("SELECT verdict, reasons, elapsed_ms, after_reveal, ratings FROM readings")).one()
        kept = connection.execute(text("SELECT state, purpose, sequence FROM assignments ORDER BY id")).all()
    assert (row.verdict, row.elapsed_ms, bool(row.after_reveal), row.ratings) == ("reject", 900, False, None)
    assert [tuple(job_row) for job_row in kept] == [
        ("done", "first", None),
        ("leased", "first", None),
        ("open", "first", None),
    ]
    with database.write() as session:
        progress = progress_of(session, 1, 1)
        assert (progress.done, progress.left, progress.total) == (1, 2, 3)
        held = [item.key for item in claim(session, NOON, 1, 1, 5)]
        assert held == [f"{2:032x}", f"{3:032x}"]
        for key in held:
            record_reading(session, CHAIN, NOON, 1, verdict(key))
        assert progress_of(session, 1, 1).left == 0


def test_a_migration_that_cannot_be_made_whole_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.db").touch()
    database = Database(f"sqlite:///{tmp_path}/broken.db")
    config = _alembic_config()
    with database.engine.execution_options(rounds_write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("DROP TABLE outcomes")
    with pytest.raises(Exception, match="outcomes"):
        database.migrate()
    with database.engine.connect() as connection:
        columns = {row[1] for row in connection.exec_driver_sql("PRAGMA table_info(assignments)")}
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    assert (revision, "purpose" in columns) == ("0001", False)
    database.dispose()
