"""Generators, generation batches, and the results of screening."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from curation.tables.base import Base, BigKey, Keyed, text_enum
from curation.tables.images import BuildStatus


class ScreeningVerdict(StrEnum):
    """The verdict of one check, or of all checks together, on an image."""

    PASS = "pass"
    FLAG = "flag"
    BLOCK = "block"


# The checks for near copies of real images: what they block is never shown to readers or trained on.
PRIVACY_CHECKS = ("near_copy", "near_copy_pixels")


class Generator(Keyed, Base):
    """Fitted diffusion weights in diffusers layout, with a card of what they were fitted on."""

    __tablename__ = "generators"

    name: Mapped[str] = mapped_column(String(100), unique=True)
    directory: Mapped[str] = mapped_column(String(1024))
    weights_digest: Mapped[str] = mapped_column(String(64))
    card: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class GeneratorSubject(Base):
    """A subject whose images a generator, or an ancestor of it, was fitted on."""

    __tablename__ = "generator_subjects"

    generator_id: Mapped[int] = mapped_column(BigKey, ForeignKey("generators.id"), primary_key=True)
    subject_key: Mapped[str] = mapped_column(String(200), primary_key=True, index=True)


class GeneratorPixels(Base):
    """The pixel digest of an image that a generator, or an ancestor of it, was fitted on."""

    __tablename__ = "generator_pixels"

    generator_id: Mapped[int] = mapped_column(BigKey, ForeignKey("generators.id"), primary_key=True)
    pixel_sha256: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)


class Batch(Keyed, Base):
    """A generation request, saved verbatim under its unique digest, and the images generated for it."""

    __tablename__ = "batches"

    generator_id: Mapped[int] = mapped_column(BigKey, ForeignKey("generators.id"))
    request: Mapped[dict[str, Any]]
    request_digest: Mapped[str] = mapped_column(String(64), unique=True)
    size: Mapped[int]
    status: Mapped[BuildStatus] = mapped_column(text_enum(BuildStatus, "status"))
    created_at: Mapped[datetime]

    generator: Mapped[Generator] = relationship()


class Screening(Keyed, Base):
    """One run of the automatic checks over a batch, with its thresholds and how they were set."""

    __tablename__ = "screenings"
    __table_args__ = (UniqueConstraint("batch_id", "parameters_digest"),)

    batch_id: Mapped[int] = mapped_column(BigKey, ForeignKey("batches.id"))
    parameters: Mapped[dict[str, Any]]
    parameters_digest: Mapped[str] = mapped_column(String(64))
    status: Mapped[BuildStatus] = mapped_column(text_enum(BuildStatus, "status"))
    created_at: Mapped[datetime]


class ScreenedImage(Base):
    """The verdict on one image, and its nearest training images, so that pages need no model."""

    __tablename__ = "screened_images"
    __table_args__ = (Index("ix_screened_images_image_id", "image_id"),)

    screening_id: Mapped[int] = mapped_column(BigKey, ForeignKey("screenings.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"), primary_key=True)
    verdict: Mapped[ScreeningVerdict] = mapped_column(text_enum(ScreeningVerdict, "verdict"))
    neighbours: Mapped[list[Any]]


class ScreeningCheck(Base):
    """One check of one image: its value, the threshold, and the verdict."""

    __tablename__ = "screening_checks"

    screening_id: Mapped[int] = mapped_column(BigKey, ForeignKey("screenings.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[float]
    threshold: Mapped[str] = mapped_column(String(100))
    verdict: Mapped[ScreeningVerdict] = mapped_column(text_enum(ScreeningVerdict, "verdict"))
