"""Sign-ins: by password or by an identity provider. Of a session only the token's SHA-256 is kept.

Checking a password is slow on purpose, so it happens between two transactions: read the hash, check, then `sign_in`,
which looks at the row again. Failures of unknown names cost a write as well: an answer's time says nothing.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, joinedload

from curation.audit import Chain
from curation.readers.consent import has_consent
from curation.readers.passwords import PasswordCheck
from curation.tables.people import Reader, SignIn

FAILURES_TO_LOCK = 5
LOCK = timedelta(minutes=5)
IDLE = timedelta(minutes=60)
ABSOLUTE = timedelta(hours=12)
TOUCH = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh sign-in; `token` is known only here and in the browser's cookie."""

    reader: Reader
    token: str
    csrf_token: str


def sign_in(session: Session, chain: Chain, now: datetime, checked: PasswordCheck) -> SignedIn | None:
    """A new session for the right password, else None; the caller commits either way, so that failures count."""
    query = select(Reader).where(Reader.name == checked.name).with_for_update()
    reader = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if reader is None or reader.password_hash is None or not reader.active or _is_locked(reader, now):
        _spend_a_write(session)
        return None
    if not checked.right or checked.password_hash != reader.password_hash:
        reader.failed_sign_ins += 1
        if reader.failed_sign_ins >= FAILURES_TO_LOCK:
            reader.locked_until, reader.failed_sign_ins = now + LOCK, 0
            chain.record(session, "reader.locked", {"reader": reader.id}, now)
        return None
    reader.failed_sign_ins, reader.locked_until = 0, None
    return _begin(session, chain, now, reader, "password")


def sign_in_by_provider(session: Session, chain: Chain, now: datetime, oidc_subject: str) -> SignedIn | None:
    """A new session for the reader of a provider's account, vouched for by that provider; None for a stranger.

    A lock after wrong passwords does not count here: the provider has checked who it is.
    """
    reader = session.scalars(select(Reader).where(Reader.oidc_subject == oidc_subject)).one_or_none()
    if reader is None or not reader.active:
        return None
    return _begin(session, chain, now, reader, "provider")


def sign_in_for(session: Session, now: datetime, token: str) -> SignIn | None:
    """The live sign-in that `token` belongs to, or None; notes at most once a minute that it was seen."""
    found = sign_in_and_consent(session, now, token)
    return found and found[0]


def sign_in_and_consent(session: Session, now: datetime, token: str) -> tuple[SignIn, bool] | None:
    """The same with whether its reader has a live consent, in one query."""
    query = select(SignIn, has_consent(SignIn.reader_id)).options(joinedload(SignIn.reader))
    row = session.execute(query.where(SignIn.token_sha256 == _token_digest(token))).one_or_none()
    if row is None:
        return None
    found, consented = row
    if found.revoked_at is not None or not found.reader.active:
        return None
    if now >= found.expires_at or now - found.last_seen_at > IDLE:
        return None
    if now - found.last_seen_at > TOUCH:
        found.last_seen_at = now
    return found, consented


def sign_out(session: Session, chain: Chain, now: datetime, token: str) -> None:
    """Revoke the session of `token`; one that is unknown or over changes nothing."""
    found = session.scalars(select(SignIn).where(SignIn.token_sha256 == _token_digest(token))).one_or_none()
    if found is not None and found.revoked_at is None:
        found.revoked_at = now
        chain.record(session, "reader.signed_out", {"reader": found.reader_id, "sign_in": found.id}, now)


def end_sign_ins(session: Session, now: datetime, reader_id: int, keep_token: str | None = None) -> int:
    """Revoke every session of a reader, but that of `keep_token`; returns how many were live."""
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
    session.flush()
    chain.record(session, "reader.signed_in", {"reader": reader.id, "sign_in": row.id, "by": by}, now)
    return SignedIn(reader, token, csrf_token)


def _is_locked(reader: Reader, now: datetime) -> bool:
    return reader.locked_until is not None and reader.locked_until > now


def _spend_a_write(session: Session) -> None:
    """Change nothing, at the price of the change that a wrong password of a known name makes."""
    anyone = select(func.min(Reader.id)).scalar_subquery()
    session.execute(
        update(Reader).where(Reader.id == anyone).values(failed_sign_ins=Reader.failed_sign_ins),
        execution_options={"synchronize_session": False},
    )


def _token_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
