"""Add and find readers; change their role, password and account.

`by` is the administrator who does it, kept in the event; None stands for the command line.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.audit import Chain
from curation.errors import BadInput, Conflict, NotAllowed, NotFound
from curation.readers.passwords import PasswordCheck, check_password, hash_password
from curation.readers.sign_ins import end_sign_ins, find_number
from curation.requests import check_title
from curation.tables.people import Reader, ReaderKind, Role

SUBJECT_LENGTH = 500
SAME_PASSWORD = "expected another password than the one there is, got the same. Choose a new one."


def add_reader(
    session: Session,
    chain: Chain,
    now: datetime,
    name: str,
    password: str | None,
    *,
    kind: ReaderKind = ReaderKind.HUMAN,
    role: Role = Role.READER,
    oidc_subject: str | None = None,
    must_change_password: bool = False,
    by: int | None = None,
) -> Reader:
    """Add a reader; a proxy has neither password nor provider and cannot sign in. Raises Conflict, BadInput."""
    # A proxy is called after its backbone, which may be OWNER/NAME.
    check_title(name.replace("/", " ") if kind is ReaderKind.PROXY else name, "reader")
    if (password is None and oidc_subject is None) != (kind is ReaderKind.PROXY):
        raise BadInput("a person needs a password or an identity provider's account, and a proxy must have neither.")
    if session.scalars(select(Reader.id).where(Reader.name == name)).first() is not None:
        raise Conflict(f"reader {name!r} exists already. Choose another name.")
    reader = Reader(
        name=name,
        kind=kind,
        role=role,
        password_hash=hash_password(password) if password is not None else None,
        oidc_subject=_free_subject(session, oidc_subject) if oidc_subject is not None else None,
        must_change_password=must_change_password,
        active=True,
        failed_sign_ins=0,
        created_at=now,
    )
    session.add(reader)
    session.flush()
    payload = {"by": by, "kind": kind.value, "role": role.value}
    chain.record_row(session, "reader.added", reader, payload, now)
    return reader


def find_reader(session: Session, name: str) -> Reader:
    """Find a reader by name; raises NotFound."""
    reader = session.scalars(select(Reader).where(Reader.name == name)).one_or_none()
    if reader is None:
        raise NotFound(f"no reader named {name!r}. `rounds reader list` shows those there are.")
    return reader


def change_password(
    session: Session, chain: Chain, now: datetime, reader_id: int, checked: PasswordCheck, new: str, keep_token: str
) -> None:
    """Replace a reader's own password, which ends their other sessions.

    Raises NotAllowed when the current password was checked and is wrong, BadInput when `new` is it once more, or too
    short or too long.
    """
    reader = session.get_one(Reader, reader_id)
    if reader.password_hash is None or not checked.right or checked.password_hash != reader.password_hash:
        raise NotAllowed("the current password is not right.")
    if new == checked.password:
        raise BadInput(SAME_PASSWORD)
    facts = {"by": reader.id, "sign_in": find_number(session, keep_token)}  # the one that goes on
    with chain.change(session, "reader.password_changed", reader, facts, now):
        reader.password_hash, reader.must_change_password = hash_password(new), False
        end_sign_ins(session, now, reader.id, keep_token)


def reset_password(
    session: Session, chain: Chain, now: datetime, name: str, password: str, *, by: int | None = None
) -> Reader:
    """Set another password for a reader, which ends all their sessions; raises NotFound, BadInput."""
    reader = _person(session, name)
    if check_password(name, reader.password_hash, password).right:
        raise BadInput(SAME_PASSWORD)
    with chain.change(session, "reader.password_reset", reader, {"by": by}, now):
        reader.password_hash = hash_password(password)
        _forgive(reader, now)
        end_sign_ins(session, now, reader.id)
    return reader


def link_provider(
    session: Session, chain: Chain, now: datetime, name: str, oidc_subject: str, *, by: int | None = None
) -> Reader:
    """Let an identity provider's account sign in as this reader; it replaces an earlier one. Raises Conflict."""
    reader = _person(session, name)
    with chain.change(session, "reader.linked", reader, {"by": by}, now):
        reader.oidc_subject = _free_subject(session, oidc_subject, reader)
        end_sign_ins(session, now, reader.id)
    return reader


def deactivate_reader(session: Session, chain: Chain, now: datetime, name: str, *, by: int | None = None) -> Reader:
    """Deactivate an account and end its sessions; readings stay. Raises Conflict for the last administrator."""
    reader = _person(session, name)
    _keep_an_administrator(session, reader)
    with chain.change(session, "reader.deactivated", reader, {"by": by}, now):
        reader.active = False
        end_sign_ins(session, now, reader.id)
    return reader


def activate_reader(session: Session, chain: Chain, now: datetime, name: str, *, by: int | None = None) -> Reader:
    """Activate an account again, and forgive the wrong passwords before."""
    reader = _person(session, name)
    with chain.change(session, "reader.activated", reader, {"by": by}, now):
        reader.active = True
        _forgive(reader, now)
    return reader


def set_role(session: Session, chain: Chain, now: datetime, name: str, role: Role, *, by: int | None = None) -> Reader:
    """Change a reader's role, from their next request on; raises Conflict for the last administrator."""
    reader = _person(session, name)
    if role is not Role.ADMINISTRATOR:
        _keep_an_administrator(session, reader)
    with chain.change(session, "reader.role_changed", reader, {"by": by, "role": role.value}, now):
        reader.role = role
    return reader


def unlock_reader(session: Session, chain: Chain, now: datetime, name: str, *, by: int | None = None) -> Reader:
    """Forgive the wrong passwords until now: the next try under this name waits nowhere."""
    reader = _person(session, name)
    _forgive(reader, now)
    chain.record(session, "reader.unlocked", {"reader": reader.id, "by": by}, now)
    return reader


def sign_out_everywhere(session: Session, chain: Chain, now: datetime, name: str, *, by: int | None = None) -> int:
    """End every session of a reader and forget the devices they signed in on; returns how many sessions were live."""
    reader = _person(session, name)
    reader.devices_since = now
    ended = end_sign_ins(session, now, reader.id)
    chain.record(session, "reader.signed_out_everywhere", {"reader": reader.id, "by": by, "ended": ended}, now)
    return ended


def _forgive(reader: Reader, now: datetime) -> None:
    reader.failed_sign_ins, reader.locked_until, reader.unlocked_at = 0, None, now


def _person(session: Session, name: str) -> Reader:
    reader = find_reader(session, name)
    if reader.kind is ReaderKind.PROXY:
        raise BadInput(f"{name!r} is a proxy: it has no account, no password and no sessions.")
    return reader


def _keep_an_administrator(session: Session, reader: Reader) -> None:
    """Lock the administrators' rows, so that two of them cannot remove each other at the same time."""
    query = select(Reader.id).where(Reader.role == Role.ADMINISTRATOR, Reader.active).with_for_update()
    if list(session.scalars(query)) == [reader.id]:
        raise Conflict(f"{reader.name!r} is the last administrator. Make another reader an administrator first.")


def _free_subject(session: Session, oidc_subject: str, except_for: Reader | None = None) -> str:
    issuer, _, subject = oidc_subject.partition(" ")
    printable = oidc_subject.isprintable() and len(oidc_subject) <= SUBJECT_LENGTH
    if not issuer.startswith(("https://", "http://")) or not subject.strip() or not printable:
        raise BadInput(
            f'expected "ISSUER SUBJECT" as in "https://login.example.org 1234", up to {SUBJECT_LENGTH} characters, '
            f"got {oidc_subject!r}."
        )
    holder = session.scalars(select(Reader).where(Reader.oidc_subject == oidc_subject)).one_or_none()
    if holder is not None and holder is not except_for:
        raise Conflict(f"this account signs in as {holder.name!r} already.")
    return oidc_subject


def list_readers(session: Session) -> Sequence[Reader]:
    """Every reader, people and proxies, the oldest account first."""
    return session.scalars(select(Reader).order_by(Reader.id)).all()
