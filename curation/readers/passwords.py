"""Passwords: argon2 hashes, checked while no transaction is open: each check is slow on purpose."""

from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import BadInput
from curation.tables.people import Reader

PASSWORD_LENGTH = 10

_HASHER = PasswordHasher()
# Checked for names that do not exist, so that they take as long as those that do.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$OLDl4/HjJPfXWKDuAfRjeg$aCf12MrHlUVTKS46eOmIgMnyJypPdjQ8q1m3Zr+D9Vc"


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """A password held against the hash that a name had a moment ago; None for a name without one."""

    name: str
    password_hash: str | None
    right: bool


def password_hash_of(session: Session, name: str) -> str | None:
    """The hash of the reader called `name`; None for an unknown name, a proxy, a person without a password."""
    return session.scalar(select(Reader.password_hash).where(Reader.name == name))


def check_password(name: str, password_hash: str | None, password: str) -> PasswordCheck:
    """Hold a password against a hash; as slow for a name without one."""
    try:
        right = _HASHER.verify(password_hash or _NOBODY, password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        right = False
    return PasswordCheck(name, password_hash, right)


def hashed(password: str) -> str:
    """The argon2 hash to keep; raises BadInput for a password that is too short."""
    if len(password) < PASSWORD_LENGTH:
        raise BadInput(f"expected a password of at least {PASSWORD_LENGTH} characters, got {len(password)}.")
    return _HASHER.hash(password)
