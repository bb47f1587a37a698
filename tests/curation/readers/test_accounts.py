"""Readers sign in with a password; sessions end when idle, when old, and when revoked."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from curation.database import Database
from curation.errors import BadInput, Conflict, NotAllowed, NotFound
from curation.project import Project
from curation.readers.accounts import (
    activate_reader,
    add_reader,
    change_password,
    deactivate_reader,
    find_reader,
    link_provider,
    reset_password,
    set_role,
    sign_out_everywhere,
    unlock_reader,
)
from curation.readers.passwords import PasswordCheck, check_password, password_hash_of
from curation.readers.sign_ins import (
    SignedIn,
    find_account,
    find_sign_in,
    is_slowed,
    sign_in,
    sign_in_by_provider,
    sign_out,
)
from curation.tables.operations import Event
from curation.tables.people import Reader, ReaderKind, Role, SignIn
from tests.curation.reading_room import CHAIN, NOON
from tests.passwords import cheap_passwords

PASSWORD = "correct horse"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def records(project: Project) -> Iterator[Database]:
    """SQLite alone, and hashes that cost little: hashing is slow on purpose."""
    with cheap_passwords():
        yield project.database


@pytest.fixture
def reader(records: Database) -> int:
    with records.write() as session:
        return add_reader(session, CHAIN, NOON, "alice", PASSWORD).id


def checked(database: Database, password: str = PASSWORD, name: str = "alice") -> PasswordCheck:
    with database.read() as session:
        password_hash = password_hash_of(session, name)
    return check_password(name, password_hash, password)


def signed_in(database: Database, password: str = PASSWORD, name: str = "alice", after: int = 0) -> SignedIn | None:
    check = checked(database, password, name)
    with database.write() as session:
        return sign_in(session, CHAIN, NOON + after * MINUTE, check)


def is_live(database: Database, token: str, after: int = 0) -> bool:
    with database.write() as session:
        return find_sign_in(session, NOON + after * MINUTE, token) is not None


@pytest.mark.slow
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
        payloads = str([event.payload for event in session.scalars(select(Event))])
    assert not any(secret in payloads for secret in ("alice", PASSWORD, made.token))


def test_wrong_passwords_and_unknown_names_are_told_nothing(records: Database, reader: int) -> None:
    assert signed_in(records, "wrong password") is None
    assert signed_in(records, name="nobody") is None


def test_wrong_passwords_are_counted_and_shown_and_keep_nobody_out(records: Database, reader: int) -> None:
    for _ in range(20):
        check = checked(records, "wrong password")
        with records.write() as session:
            assert sign_in(session, CHAIN, NOON, check, slowed_until=NOON + MINUTE) is None
    with records.read() as session:
        row = find_reader(session, "alice")
        assert (row.failed_sign_ins, is_slowed(row, NOON), is_slowed(row, NOON + MINUTE)) == (20, True, False)
        assert session.scalars(select(Event.kind)).all() == ["reader.added"]
    assert signed_in(records) is not None
    with records.read() as session:
        assert find_reader(session, "alice").failed_sign_ins == 20, "an administrator still sees what goes on"
    assert signed_in(records, after=1) is not None
    with records.read() as session:
        assert find_reader(session, "alice").failed_sign_ins == 0


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


@pytest.mark.slow
def test_passwords_are_changed_by_their_owner_and_reset_by_another(records: Database, reader: int) -> None:
    here, elsewhere = signed_in(records), signed_in(records)
    assert here is not None
    assert elsewhere is not None
    wrong, right = checked(records, "wrong password"), checked(records)
    with pytest.raises(NotAllowed), records.write() as session:
        change_password(session, CHAIN, NOON, reader, wrong, "another horse", here.token)
    with pytest.raises(BadInput, match="at least 10"), records.write() as session:
        change_password(session, CHAIN, NOON, reader, right, "short", here.token)
    for bad, why in ((PASSWORD, "another password"), ("x" * 1001, "at most 1000")):
        with pytest.raises(BadInput, match=why), records.write() as session:
            change_password(session, CHAIN, NOON, reader, right, bad, here.token)
        with pytest.raises(BadInput, match=why), records.write() as session:
            reset_password(session, CHAIN, NOON, "alice", bad)
    with records.write() as session:
        change_password(session, CHAIN, NOON, reader, right, "another horse", here.token)
    assert is_live(records, here.token)
    assert not is_live(records, elsewhere.token)
    with records.write() as session:
        reset_password(session, CHAIN, NOON, "alice", "third horse now")
    assert not is_live(records, here.token)
    assert signed_in(records, "another horse") is None
    assert signed_in(records, "third horse now") is not None


def test_a_password_that_changed_while_it_was_checked_is_the_wrong_one(records: Database, reader: int) -> None:
    right = checked(records)
    with records.write() as session:
        reset_password(session, CHAIN, NOON, "alice", "third horse now")
    with records.write() as session:
        assert sign_in(session, CHAIN, NOON, right) is None


def test_an_account_is_closed_and_opened_again(records: Database, reader: int) -> None:
    made = signed_in(records)
    assert made is not None
    with records.write() as session:
        deactivate_reader(session, CHAIN, NOON, "alice", by=7)
    assert signed_in(records) is None
    with records.write() as session:
        activate_reader(session, CHAIN, NOON, "alice")
    assert not is_live(records, made.token)
    assert signed_in(records) is not None
    with records.read() as session:
        closed = session.scalars(select(Event).where(Event.kind == "reader.deactivated")).one()
    assert {name: closed.payload[name] for name in ("reader", "by")} == {"reader": reader, "by": 7}


@pytest.mark.slow
def test_the_last_administrator_stays_one(database: Database) -> None:
    with database.write() as session:
        for name in ("alice", "bob"):
            add_reader(session, CHAIN, NOON, name, PASSWORD, role=Role.ADMINISTRATOR)
    with database.write() as session:
        set_role(session, CHAIN, NOON, "bob", Role.CURATOR)
    with pytest.raises(Conflict, match="last administrator"), database.write() as session:
        set_role(session, CHAIN, NOON, "alice", Role.READER)
    with pytest.raises(Conflict, match="last administrator"), database.write() as session:
        deactivate_reader(session, CHAIN, NOON, "alice")
    with database.write() as session:
        set_role(session, CHAIN, NOON, "bob", Role.ADMINISTRATOR)
        deactivate_reader(session, CHAIN, NOON, "alice")


def test_an_unlock_forgives_what_was_counted_until_then(records: Database, reader: int) -> None:
    assert signed_in(records, "wrong password") is None
    with records.write() as session:
        unlock_reader(session, CHAIN, NOON, "alice")
    with records.read() as session:
        assert find_account(session, "alice").unlocked_at == NOON
        assert find_reader(session, "alice").failed_sign_ins == 0


def test_signing_out_everywhere_ends_and_counts_live_sessions(records: Database, reader: int) -> None:
    made = [signed_in(records), signed_in(records)]
    with records.write() as session:
        assert sign_out_everywhere(session, CHAIN, NOON, "alice") == 2
    assert not any(is_live(records, signed_in.token) for signed_in in made if signed_in)


@pytest.mark.slow
def test_a_providers_account_signs_in_as_one_reader_and_needs_no_password(database: Database) -> None:
    account = "https://login.example.org 1234"
    with database.write() as session:
        add_reader(session, CHAIN, NOON, "alice", None, oidc_subject=account)
        add_reader(session, CHAIN, NOON, "bob", PASSWORD)
    with database.write() as session:
        made = sign_in_by_provider(session, CHAIN, NOON, account)
        assert made is not None
        assert made.reader.name == "alice"
        assert sign_in_by_provider(session, CHAIN, NOON, account + "5") is None
    assert signed_in(database, "") is None
    for bad in ("1234", "login.example.org 1234", "https://login.example.org", account + "\x00"):
        with pytest.raises(BadInput), database.write() as session:
            link_provider(session, CHAIN, NOON, "bob", bad)
    with pytest.raises(Conflict, match="alice"), database.write() as session:
        link_provider(session, CHAIN, NOON, "bob", account)
    with database.write() as session:
        link_provider(session, CHAIN, NOON, "alice", account + "5")
    with database.write() as session:
        assert sign_in_by_provider(session, CHAIN, NOON, account) is None
    assert not is_live(database, made.token)


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
