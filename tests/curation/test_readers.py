"""Readers sign in with a password; sessions end when idle, when old, and when revoked."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from curation.database import Database
from curation.errors import BadInput, Conflict, NotAllowed, NotFound
from curation.models.operations import Event
from curation.models.people import Reader, ReaderKind, Role, SignIn
from curation.project import Project
from curation.readers import (
    FAILURES_TO_LOCK,
    SignedIn,
    add_reader,
    change_password,
    find_reader,
    reset_password,
    sign_in,
    sign_in_for,
    sign_out,
)
from tests.curation.reading_room import CHAIN, NOON

PASSWORD = "correct horse"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def records(project: Project) -> Database:
    """SQLite alone: hashing passwords is slow on purpose."""
    return project.database


@pytest.fixture
def reader(records: Database) -> int:
    with records.write() as session:
        return add_reader(session, CHAIN, NOON, "alice", PASSWORD).id


def signed_in(database: Database, password: str = PASSWORD, name: str = "alice", after: int = 0) -> SignedIn | None:
    with database.write() as session:
        return sign_in(session, CHAIN, NOON + after * MINUTE, name, password)


def is_live(database: Database, token: str, after: int = 0) -> bool:
    with database.write() as session:
        return sign_in_for(session, NOON + after * MINUTE, token) is not None


def test_a_reader_signs_in_and_out(database: Database) -> None:
    with database.write() as session:
        reader = add_reader(session, CHAIN, NOON, "alice", PASSWORD).id
    made = signed_in(database)
    assert made is not None
    assert made.reader.id == reader
    assert is_live(database, made.token)
    assert not is_live(database, made.token + "x")
    for _ in range(2):
        with database.write() as session:
            sign_out(session, CHAIN, NOON, made.token)
    assert not is_live(database, made.token)


def test_no_password_token_or_name_is_stored_or_recorded_in_the_chain(records: Database, reader: int) -> None:
    made = signed_in(records)
    assert made is not None
    with records.read() as session:
        row, seen = session.scalars(select(Reader)).one(), session.scalars(select(SignIn)).one()
        assert PASSWORD not in (row.password_hash or "")
        assert made.token not in (seen.token_sha256, seen.csrf_token)
        said = str([event.payload for event in session.scalars(select(Event))])
    assert not any(secret in said for secret in ("alice", PASSWORD, made.token))


def test_wrong_passwords_and_unknown_names_are_told_nothing(records: Database, reader: int) -> None:
    assert signed_in(records, "wrong password") is None
    assert signed_in(records, name="nobody") is None


def test_failures_lock_the_account_for_a_while(records: Database, reader: int) -> None:
    for _ in range(FAILURES_TO_LOCK):
        assert signed_in(records, "wrong password") is None
    assert signed_in(records, after=4) is None
    assert signed_in(records, after=5) is not None


def test_a_sign_in_in_between_forgives_earlier_failures(records: Database, reader: int) -> None:
    for _ in range(FAILURES_TO_LOCK - 1):
        signed_in(records, "wrong password")
    assert signed_in(records) is not None
    signed_in(records, "wrong password")
    assert signed_in(records) is not None


def test_a_session_ends_when_idle_and_after_twelve_hours(records: Database, reader: int) -> None:
    idle, busy = signed_in(records), signed_in(records)
    assert idle is not None
    assert busy is not None
    for minute in range(30, 720, 30):
        assert is_live(records, busy.token, minute)
    assert not is_live(records, idle.token, 61)
    assert not is_live(records, busy.token, 720)


def test_a_deactivated_reader_is_out_at_once(records: Database, reader: int) -> None:
    made = signed_in(records)
    assert made is not None
    with records.write() as session:
        session.get_one(Reader, reader).active = False
    assert not is_live(records, made.token)
    assert signed_in(records) is None


def test_passwords_are_changed_by_their_owner_and_reset_by_another(records: Database, reader: int) -> None:
    with pytest.raises(NotAllowed), records.write() as session:
        change_password(session, CHAIN, NOON, reader, "wrong password", "another horse")
    with pytest.raises(BadInput, match="at least 10"), records.write() as session:
        change_password(session, CHAIN, NOON, reader, PASSWORD, "short")
    with records.write() as session:
        change_password(session, CHAIN, NOON, reader, PASSWORD, "another horse")
    made = signed_in(records, "another horse")
    assert made is not None
    with records.write() as session:
        reset_password(session, CHAIN, NOON, "alice", "third horse now")
    assert not is_live(records, made.token)
    assert signed_in(records, "another horse") is None
    assert signed_in(records, "third horse now") is not None


@pytest.mark.parametrize(("name", "password"), [("bob", "short"), (" bob", PASSWORD), ("", PASSWORD), ("bob", None)])
def test_bad_names_and_passwords_are_refused(records: Database, name: str, password: str | None) -> None:
    with pytest.raises(BadInput), records.write() as session:
        add_reader(session, CHAIN, NOON, name, password)


def test_a_name_is_taken_once_and_found_by_name(records: Database, reader: int) -> None:
    with pytest.raises(Conflict), records.write() as session:
        add_reader(session, CHAIN, NOON, "alice", PASSWORD, role=Role.CURATOR)
    with records.read() as session:
        assert find_reader(session, "alice").id == reader
        with pytest.raises(NotFound):
            find_reader(session, "bob")


def test_a_proxy_cannot_sign_in(records: Database) -> None:
    with records.write() as session:
        add_reader(session, CHAIN, NOON, "probe", None, kind=ReaderKind.PROXY)
    assert signed_in(records, name="probe") is None
    with pytest.raises(BadInput, match="proxy"), records.write() as session:
        reset_password(session, CHAIN, NOON, "probe", PASSWORD)
