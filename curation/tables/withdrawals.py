"""Withdrawn subjects, and everything that descends from them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from curation.tables.base import Base, BigKey, Keyed, text_enum


class AffectedKind(StrEnum):
    """What a withdrawal can affect."""

    IMAGE = "image"
    GENERATOR = "generator"
    BATCH = "batch"
    SNAPSHOT = "snapshot"
    RUN = "run"
    STUDY = "study"


class Withdrawal(Keyed, Base):
    """The removal of a subject's images, its reason, and the plan to rebuild what descends from them."""

    __tablename__ = "withdrawals"

    subject_id: Mapped[int] = mapped_column(BigKey, ForeignKey("subjects.id"), unique=True)
    reason: Mapped[str] = mapped_column(String(500))
    plan: Mapped[list[Any]]
    created_at: Mapped[datetime]


class Affected(Base):
    """A thing that descends from a withdrawn subject: a removed image, or a generator or run to rebuild."""

    __tablename__ = "affected"

    withdrawal_id: Mapped[int] = mapped_column(BigKey, ForeignKey("withdrawals.id"), primary_key=True)
    kind: Mapped[AffectedKind] = mapped_column(text_enum(AffectedKind, "kind"), primary_key=True)
    target_id: Mapped[int] = mapped_column(BigKey, primary_key=True)
