"""Passwords as argon2 hashes; a check is slow on purpose, so no transaction is open meanwhile."""

from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import BadInput
from curation.tables.people import Reader

SHORTEST = 10  # characters
LONGEST = 1000

_HASHER = PasswordHasher()
# Checked for names that do not exist, so that they take as long as those that do.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$OLDl4/HjJPfXWKDuAfRjeg$aCf12MrHlUVTKS46eOmIgMnyJypPdjQ8q1m3Zr+D9Vc"


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """The result of checking a password against the hash that a name had; None for a name without a hash."""

    name: str
    password_hash: str | None
    right: bool
    password: str = field(repr=False)


def password_hash_of(session: Session, name: str) -> str | None:
    """Find a reader's password hash by name; None for an unknown name, a proxy, a person without a password."""
    return session.scalar(select(Reader.password_hash).where(Reader.name == name))


def check_password(name: str, password_hash: str | None, password: str) -> PasswordCheck:
    """Check a password against a hash; takes as long for a name without a hash."""
    try:
        right = _HASHER.verify(password_hash or _NOBODY, password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        right = False
    return PasswordCheck(name, password_hash, right, password)


def hash_password(password: str) -> str:
    """Hash a password by argon2; raises BadInput for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(
            f"expected a password of at least {SHORTEST} and at most {LONGEST} characters, got {len(password)}."
        )
    return _HASHER.hash(password)
