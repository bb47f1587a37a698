"""Held-out images that look like an image that may be trained on, and bound subjects."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from curation.tables.base import Base, BigKey, Keyed


class NearCopySearch(Keyed, Base):
    """A finished search: every real image with an id up to `through_image_id` was compared under `method`."""

    __tablename__ = "near_copy_searches"

    method: Mapped[str] = mapped_column(String(50))
    through_image_id: Mapped[int] = mapped_column(BigKey)
    created_at: Mapped[datetime]


class NearCopy(Base):
    """A validation or test image, and the training or reserve image of another subject that it looks most like."""

    __tablename__ = "near_copies"

    image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"), primary_key=True)
    like_image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"), primary_key=True, index=True)
    correlation: Mapped[float]


class SubjectAlias(Base):
    """The key of a subject that was bound into another: whoever asks for the key finds that one."""

    __tablename__ = "subject_aliases"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    subject_id: Mapped[int] = mapped_column(BigKey, ForeignKey("subjects.id"), index=True)
