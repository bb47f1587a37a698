"""Readers and their sign-ins. Passwords are argon2 hashes; of a session only the token's SHA-256 is kept."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from curation.audit import Chain
from curation.consents import has_consent
from curation.errors import BadInput, Conflict, NotAllowed, NotFound
from curation.models.people import Reader, ReaderKind, Role, SignIn

PASSWORD_LENGTH = 10
FAILURES_TO_LOCK = 5
LOCK = timedelta(minutes=5)
IDLE = timedelta(minutes=60)
ABSOLUTE = timedelta(hours=12)
TOUCH = timedelta(minutes=1)

_HASHER = PasswordHasher()
# Checked for names that do not exist, so that they take as long as those that do.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$OLDl4/HjJPfXWKDuAfRjeg$aCf12MrHlUVTKS46eOmIgMnyJypPdjQ8q1m3Zr+D9Vc"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh sign-in; `token` is known only here and in the browser's cookie."""

    reader: Reader
    token: str
    csrf_token: str


def add_reader(
    session: Session,
    chain: Chain,
    now: datetime,
    name: str,
    password: str | None,
    *,
    kind: ReaderKind = ReaderKind.HUMAN,
    role: Role = Role.READER,
    must_change_password: bool = False,
) -> Reader:
    """Add a reader; a proxy has no password and cannot sign in. Raises Conflict for a name in use, BadInput."""
    if not name.strip() or len(name) > 100 or name != name.strip():
        raise BadInput(f"expected a name of 1 to 100 characters without spaces around it, got {name!r}.")
    if (password is None) != (kind is ReaderKind.PROXY):
        raise BadInput("a person needs a password, and a proxy must have none.")
    if session.scalars(select(Reader.id).where(Reader.name == name)).first() is not None:
        raise Conflict(f"reader {name!r} exists already. Choose another name.")
    reader = Reader(
        name=name,
        kind=kind,
        role=role,
        password_hash=_hashed(password) if password is not None else None,
        must_change_password=must_change_password,
        active=True,
        failed_sign_ins=0,
        created_at=now,
    )
    session.add(reader)
    session.flush()
    chain.record(session, "reader.added", {"reader": reader.id, "kind": kind.value, "role": role.value}, now)
    return reader


def find_reader(session: Session, name: str) -> Reader:
    """The reader called `name`; raises NotFound."""
    reader = session.scalars(select(Reader).where(Reader.name == name)).one_or_none()
    if reader is None:
        raise NotFound(f"no reader named {name!r}. `rounds reader list` shows those there are.")
    return reader


def sign_in(session: Session, chain: Chain, now: datetime, name: str, password: str) -> SignedIn | None:
    """A new session for the right password, else None; the caller commits either way, so that failures count."""
    reader = session.scalars(select(Reader).where(Reader.name == name).with_for_update()).one_or_none()
    right = _verified(reader.password_hash if reader and reader.password_hash else _NOBODY, password)
    if reader is None or not reader.active or reader.password_hash is None:
        return None
    if reader.locked_until is not None and reader.locked_until > now:
        return None
    if not right:
        reader.failed_sign_ins += 1
        if reader.failed_sign_ins >= FAILURES_TO_LOCK:
            reader.locked_until, reader.failed_sign_ins = now + LOCK, 0
            chain.record(session, "reader.locked", {"reader": reader.id}, now)
        return None
    reader.failed_sign_ins, reader.locked_until = 0, None
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
    chain.record(session, "reader.signed_in", {"reader": reader.id, "sign_in": row.id}, now)
    return SignedIn(reader, token, csrf_token)


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


def change_password(session: Session, chain: Chain, now: datetime, reader_id: int, current: str, new: str) -> None:
    """Replace a reader's own password; raises NotAllowed when `current` is wrong, BadInput when `new` will not do."""
    reader = session.get_one(Reader, reader_id)
    if reader.password_hash is None or not _verified(reader.password_hash, current):
        raise NotAllowed("the current password is not right.")
    if new == current:
        raise BadInput("expected a new password, got the current one again.")
    reader.password_hash, reader.must_change_password = _hashed(new), False
    chain.record(session, "reader.password_changed", {"reader": reader.id}, now)


def reset_password(session: Session, chain: Chain, now: datetime, name: str, password: str) -> Reader:
    """Give a reader another password, which ends every session of theirs; raises NotFound, BadInput."""
    reader = find_reader(session, name)
    if reader.kind is ReaderKind.PROXY:
        raise BadInput(f"{name!r} is a proxy and has no password.")
    reader.password_hash, reader.failed_sign_ins, reader.locked_until = _hashed(password), 0, None
    live = select(SignIn).where(SignIn.reader_id == reader.id, SignIn.revoked_at.is_(None))
    for row in session.scalars(live):
        row.revoked_at = now
    chain.record(session, "reader.password_reset", {"reader": reader.id}, now)
    return reader


def _hashed(password: str) -> str:
    if len(password) < PASSWORD_LENGTH:
        raise BadInput(f"expected a password of at least {PASSWORD_LENGTH} characters, got {len(password)}.")
    return _HASHER.hash(password)


def _verified(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _token_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
