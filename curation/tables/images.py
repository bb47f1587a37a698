"""Subjects, imports, images, labels and masks."""

from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from curation.tables.base import Base, BigKey, Keyed, text_enum

Shape: TypeAlias = tuple[int, int, int, int]  # height, width, channels, bits


class Split(StrEnum):
    """The split of a subject and of all its images."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    RESERVE = "reserve"


class Origin(StrEnum):
    """Where an image comes from; `altered` is a real or synthetic one that was changed on purpose."""

    REAL = "real"
    SYNTHETIC = "synthetic"
    ALTERED = "altered"


class BuildStatus(StrEnum):
    """The state of a parent row: written first as `building`, set to `ready` in the last transaction."""

    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


class Import(Keyed, Base):
    """An imported source; importing the same source digest again adds nothing."""

    __tablename__ = "imports"

    source: Mapped[str] = mapped_column(String(1024))
    source_digest: Mapped[str] = mapped_column(String(64), unique=True)
    status: Mapped[BuildStatus] = mapped_column(text_enum(BuildStatus, "status"))
    subjects_known: Mapped[bool]
    notice: Mapped[str | None] = mapped_column(String(500))
    report: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Subject(Keyed, Base):
    """A patient or specimen, by pseudonym. Without published ids each image has its own, not `known`."""

    __tablename__ = "subjects"

    key: Mapped[str] = mapped_column(String(200), unique=True)
    split: Mapped[Split] = mapped_column(text_enum(Split, "split"), index=True)
    known: Mapped[bool]
    withdrawn_at: Mapped[datetime | None]


class Label(Keyed, Base):
    """A class name of the project."""

    __tablename__ = "labels"

    name: Mapped[str] = mapped_column(String(100), unique=True)


class Image(Keyed, Base):
    """One stored picture: the digests of its file and pixels, its geometry, and where it comes from.

    Real images have an import and a subject; synthetic ones a batch and an index in it, unique together, so that
    resuming a batch is "do the missing indexes"; altered ones the image they were made from.

    A stored value v stands for (v - signed_offset) * rescale_slope + rescale_intercept; windows are in those units.
    `value_unit` is `HU`, another RescaleType, the Units of PET, `other` or `unknown`; NULL where none is required.
    `frame` counts frames or slices of the source file from 0, `affine` (4 rows of 4) places the slice in the scanner,
    `covariates` define subgroups and never identify anybody. A withdrawn image is a tombstone: its
    row and digests stay, its file is gone.
    """

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("batch_id", "batch_index"),
        UniqueConstraint("import_id", "subject_id", "pixel_sha256"),
        Index("ix_images_pixel_sha256", "pixel_sha256"),
        Index("ix_images_origin", "origin"),
    )

    origin: Mapped[Origin] = mapped_column(text_enum(Origin, "origin"))
    import_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("imports.id"))
    subject_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("subjects.id"), index=True)
    batch_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("batches.id"))
    batch_index: Mapped[int | None]
    altered_from_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("images.id"))
    alteration: Mapped[dict[str, Any] | None]
    source_file: Mapped[str | None] = mapped_column(String(1024))
    file_sha256: Mapped[str] = mapped_column(String(64), index=True)
    pixel_sha256: Mapped[str] = mapped_column(String(64))
    height: Mapped[int]
    width: Mapped[int]
    channels: Mapped[int]
    bits: Mapped[int]
    spacing_row_mm: Mapped[float | None]
    spacing_column_mm: Mapped[float | None]
    rescale_slope: Mapped[float] = mapped_column(default=1.0)
    rescale_intercept: Mapped[float] = mapped_column(default=0.0)
    signed_offset: Mapped[int] = mapped_column(default=0)
    value_unit: Mapped[str | None] = mapped_column(String(16))
    modality: Mapped[str | None] = mapped_column(String(16))
    window_center: Mapped[float | None]
    window_width: Mapped[float | None]
    frame: Mapped[int | None]
    affine: Mapped[list[Any] | None]
    covariates: Mapped[dict[str, Any] | None]
    withdrawn_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    labels: Mapped[list["ImageLabel"]] = relationship(back_populates="image")
    subject: Mapped["Subject | None"] = relationship()

    @property
    def shape(self) -> Shape:
        """Height, width, channels and bits."""
        return self.height, self.width, self.channels, self.bits


class ImageLabel(Base):
    """A label of an image by a source (`import`, `request`): 0, 1 or a probability; many-to-many."""

    __tablename__ = "image_labels"

    image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"), primary_key=True)
    label_id: Mapped[int] = mapped_column(BigKey, ForeignKey("labels.id"), primary_key=True)
    source: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[float]

    image: Mapped[Image] = relationship(back_populates="labels")
    label: Mapped[Label] = relationship()


class ImageCaption(Base):
    """Free text that describes an image: a report, or what a simulation knows; not searched for names."""

    __tablename__ = "image_captions"

    image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"), primary_key=True)
    text: Mapped[str] = mapped_column(Text)


class Mask(Keyed, Base):
    """A segmentation of an image, stored like an image (0 background, 1 structure)."""

    __tablename__ = "masks"
    __table_args__ = (UniqueConstraint("image_id", "name"),)

    image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"))
    name: Mapped[str] = mapped_column(String(100))
    file_sha256: Mapped[str] = mapped_column(String(64))
