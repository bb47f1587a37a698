"""Measurements of checks and of sets of images: requests and results, saved verbatim."""

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from curation.tables.base import Base, Keyed, text_enum
from curation.tables.images import BuildStatus


class CheckReport(Keyed, Base):
    """How often the automatic checks err (`kind`: `privacy` or `checks`), on which images, under which parameters."""

    __tablename__ = "check_reports"

    kind: Mapped[str] = mapped_column(String(50), index=True)
    parameters: Mapped[dict[str, Any]]
    parameters_digest: Mapped[str] = mapped_column(String(64), unique=True)
    status: Mapped[BuildStatus] = mapped_column(text_enum(BuildStatus, "status"))
    result: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class SetMeasurement(Keyed, Base):
    """One comparison of a set of images with real ones: distances, coverage, membership, each with its interval."""

    __tablename__ = "set_measurements"

    request: Mapped[dict[str, Any]]
    request_digest: Mapped[str] = mapped_column(String(64), unique=True)
    status: Mapped[BuildStatus] = mapped_column(text_enum(BuildStatus, "status"))
    result: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
