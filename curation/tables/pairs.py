"""Pairs of images that the privacy role judges, and the judgements."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from curation.tables.base import Base, BigKey, Keyed, text_enum
from curation.tables.images import BuildStatus, Image


class PairTruth(StrEnum):
    """Why a pair is in the list: a suspect of the gate, or a real pair of known truth, mixed in blind."""

    SUSPECT = "suspect"
    SAME = "same"
    DIFFERENT = "different"


class PairVerdict(StrEnum):
    """The judgement of the privacy role on two images."""

    SAME = "same"
    DIFFERENT = "different"
    UNSURE = "unsure"


class PairList(Keyed, Base):
    """Pairs to be judged, from a recipe that is kept verbatim."""

    __tablename__ = "pair_lists"

    name: Mapped[str] = mapped_column(String(100), unique=True)
    recipe: Mapped[dict[str, Any]]
    status: Mapped[BuildStatus] = mapped_column(text_enum(BuildStatus, "status"))
    size: Mapped[int]
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Pair(Keyed, Base):
    """Two images side by side, at a shuffled position; the opaque key is the only id a browser sees."""

    __tablename__ = "pairs"
    __table_args__ = (UniqueConstraint("pair_list_id", "position"),)

    key: Mapped[str] = mapped_column(String(32), unique=True)
    pair_list_id: Mapped[int] = mapped_column(BigKey, ForeignKey("pair_lists.id"))
    position: Mapped[int]
    truth: Mapped[PairTruth] = mapped_column(text_enum(PairTruth, "truth"))
    first_image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"), index=True)
    second_image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"), index=True)

    first: Mapped[Image] = relationship(foreign_keys=[first_image_id])
    second: Mapped[Image] = relationship(foreign_keys=[second_image_id])


class PairReading(Keyed, Base):
    """One row of the append-only record of judgements; a row with `voids_id` takes that one back."""

    __tablename__ = "pair_readings"
    __table_args__ = (Index("ix_pair_readings_reader_id", "reader_id", "id"),)

    op_id: Mapped[str] = mapped_column(String(64), unique=True)
    pair_id: Mapped[int] = mapped_column(BigKey, ForeignKey("pairs.id"), index=True)
    reader_id: Mapped[int] = mapped_column(BigKey, ForeignKey("readers.id"))
    voids_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("pair_readings.id"), unique=True)
    verdict: Mapped[PairVerdict | None] = mapped_column(text_enum(PairVerdict, "verdict"))
    elapsed_ms: Mapped[int | None]
    read_at: Mapped[datetime]
    created_at: Mapped[datetime]
