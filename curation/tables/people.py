"""Readers, their roles, their consents and their sign-ins."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from curation.tables.base import Base, BigKey, Keyed, text_enum


class ReaderKind(StrEnum):
    """A person, or a model that is marked as proxy everywhere; no claim rests on a proxy."""

    HUMAN = "human"
    PROXY = "proxy"


class Role(StrEnum):
    """The role of a reader; routes and pages check it."""

    READER = "reader"
    ADJUDICATOR = "adjudicator"
    PRIVACY = "privacy"
    CURATOR = "curator"
    ADMINISTRATOR = "administrator"


class Reader(Keyed, Base):
    """A person who reads, or a proxy. The password is kept as an argon2 hash; a proxy has none and cannot sign in.

    `oidc_subject` is "issuer subject" of the identity provider's account that signs in as this reader.
    `failed_sign_ins` counts wrong passwords from anywhere since the last sign-in. `locked_until` says until when tries
    from some address or device wait; it is shown, and locks nobody out. An unlock forgives the tries before
    `unlocked_at`. Devices that signed in before `devices_since` are known no more.
    """

    __tablename__ = "readers"

    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[ReaderKind] = mapped_column(text_enum(ReaderKind, "kind"))
    role: Mapped[Role] = mapped_column(text_enum(Role, "role"))
    password_hash: Mapped[str | None] = mapped_column(String(300))
    oidc_subject: Mapped[str | None] = mapped_column(String(500), unique=True)
    must_change_password: Mapped[bool] = mapped_column(default=False)
    active: Mapped[bool] = mapped_column(default=True)
    failed_sign_ins: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    unlocked_at: Mapped[datetime | None]
    devices_since: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SignIn(Keyed, Base):
    """One signed-in browser. Only the SHA-256 of the cookie's token is stored, so the table cannot be replayed."""

    __tablename__ = "sign_ins"

    reader_id: Mapped[int] = mapped_column(BigKey, ForeignKey("readers.id"), index=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    csrf_token: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    reader: Mapped[Reader] = relationship()


class Consent(Keyed, Base):
    """The consent of a reader: to which version of the text, with what experience, on what display.

    Withdrawing fills in `withdrawn_at`; agreeing again is another row.
    """

    __tablename__ = "consents"

    reader_id: Mapped[int] = mapped_column(BigKey, ForeignKey("readers.id"), index=True)
    version: Mapped[str] = mapped_column(String(20))
    experience: Mapped[dict[str, Any]]
    display: Mapped[dict[str, Any]]
    agreed_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
