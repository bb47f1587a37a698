"""Sign in by password or by an identity provider; only the SHA-256 of a session's token is stored.

Checking a password is slow on purpose, so it happens between two transactions: read the hash, check, then `sign_in`,
which reads the row again. A failure for an unknown name writes as well, so that response times reveal nothing. No
failure is an event: strangers cannot lengthen the chain. Who must wait before another try is decided by the review page
(review_ui/security/throttle.py), not here: nothing that a stranger does keeps a reader out.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.orm import Session, joinedload

from curation.audit import Chain
from curation.readers.consent import has_consent
from curation.readers.passwords import PasswordCheck
from curation.tables.people import Reader, SignIn

IDLE = timedelta(minutes=60)
ABSOLUTE = timedelta(hours=12)
TOUCH = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh sign-in; `token` is known only here and in the browser's cookie."""

    reader: Reader
    token: str
    csrf_token: str


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of a name before its password is checked; all empty for an unknown name."""

    reader_id: int = 0
    password_hash: str | None = None
    unlocked_at: datetime | None = None
    devices_since: datetime | None = None


def find_account(session: Session, name: str) -> Account:
    """Find the account of a name; an unknown name has an empty one."""
    columns = (Reader.id, Reader.password_hash, Reader.unlocked_at, Reader.devices_since)
    row = session.execute(select(*columns).where(Reader.name == name)).one_or_none()
    return Account(*row) if row is not None else Account()


def sign_in(
    session: Session, chain: Chain, now: datetime, checked: PasswordCheck, slowed_until: datetime | None = None
) -> SignedIn | None:
    """Begin a session if the password is right, else return None; the caller commits, so that failures are counted.

    `slowed_until` is when the same device or address may try again after a wrong password, to be shown.
    """
    query = select(Reader).where(Reader.name == checked.name).with_for_update()
    reader = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if reader is None or reader.password_hash is None or not reader.active:
        _spend_a_write(session)
        return None
    if not checked.right or checked.password_hash != reader.password_hash:
        reader.failed_sign_ins += 1
        reader.locked_until = max(filter(None, (slowed_until, reader.locked_until)), default=None)
        return None
    if not is_slowed(reader, now):
        reader.failed_sign_ins = 0
    return _begin(session, chain, now, reader, "password")


def sign_in_by_provider(session: Session, chain: Chain, now: datetime, oidc_subject: str) -> SignedIn | None:
    """Begin a session for the reader of a provider's account; None for an unknown account."""
    reader = session.scalars(select(Reader).where(Reader.oidc_subject == oidc_subject)).one_or_none()
    if reader is None or not reader.active:
        return None
    return _begin(session, chain, now, reader, "provider")


def find_sign_in(session: Session, now: datetime, token: str) -> SignIn | None:
    """Find the live sign-in of `token`, or None; updates `last_seen_at` at most once a minute."""
    row = find_sign_in_and_consent(session, now, token)
    return row and row[0]


def find_sign_in_and_consent(session: Session, now: datetime, token: str) -> tuple[SignIn, bool] | None:
    """Find the live sign-in of `token` and whether its reader has a live consent, in one query."""
    row = session.execute(_find_by_digest(), {"digest": _token_digest(token)}).one_or_none()
    if row is None:
        return None
    live, consented = row
    if live.revoked_at is not None or not live.reader.active:
        return None
    if now >= live.expires_at or now - live.last_seen_at > IDLE:
        return None
    if now - live.last_seen_at > TOUCH:
        live.last_seen_at = now
    return live, consented


@cache
def _find_by_digest() -> Select[SignIn, bool]:
    """Build the query once: every request of every browser asks it."""
    query = select(SignIn, has_consent(SignIn.reader_id)).options(joinedload(SignIn.reader))
    return query.where(SignIn.token_sha256 == bindparam("digest"))


def sign_out(session: Session, chain: Chain, now: datetime, token: str) -> None:
    """Revoke the session of `token`; an unknown or ended one changes nothing."""
    row = session.scalars(select(SignIn).where(SignIn.token_sha256 == _token_digest(token))).one_or_none()
    if row is not None and row.revoked_at is None:
        row.revoked_at = now
        chain.record(session, "reader.signed_out", {"reader": row.reader_id, "sign_in": row.id}, now)


def find_number(session: Session, token: str) -> int | None:
    """Find the number of the sign-in of `token`, ended or not; None for an unknown one."""
    return session.scalar(select(SignIn.id).where(SignIn.token_sha256 == _token_digest(token)))


def end_sign_ins(session: Session, now: datetime, reader_id: int, keep_token: str | None = None) -> int:
    """Revoke every session of a reader except that of `keep_token`; returns how many were live."""
    live = select(SignIn).where(SignIn.reader_id == reader_id, SignIn.revoked_at.is_(None))
    if keep_token is not None:
        live = live.where(SignIn.token_sha256 != _token_digest(keep_token))
    ended = session.scalars(live).all()
    for row in ended:
        row.revoked_at = now
    return sum(row.expires_at > now and now - row.last_seen_at <= IDLE for row in ended)


def _begin(session: Session, chain: Chain, now: datetime, reader: Reader, by: str) -> SignedIn:
    token, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    row = SignIn(
        reader_id=reader.id,
        token_sha256=_token_digest(token),
        csrf_token=csrf_token,
        created_at=now,
        last_seen_at=now,
        expires_at=now + ABSOLUTE,
    )
    session.add(row)
    chain.record_row(session, "reader.signed_in", row, {"reader": reader.id, "by": by}, now)
    return SignedIn(reader, token, csrf_token)


def is_slowed(reader: Reader, now: datetime) -> bool:
    """Whether tries under this name wait on some device or at some address."""
    return reader.locked_until is not None and reader.locked_until > now


def _spend_a_write(session: Session) -> None:
    """Write a row without changing it: this takes as long as a wrong password of a known name."""
    anyone = select(func.min(Reader.id)).scalar_subquery()
    session.execute(
        update(Reader).where(Reader.id == anyone).values(failed_sign_ins=Reader.failed_sign_ins),
        execution_options={"synchronize_session": False},
    )


def _token_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
