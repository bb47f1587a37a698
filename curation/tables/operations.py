"""Jobs, and the chain of events."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from curation.tables.base import Base, BigKey, Keyed, text_enum


class JobStatus(StrEnum):
    """The state of a job: a queued one waits, a running one holds a lease, the others are over."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(Keyed, Base):
    """Work for a worker: a kind and JSON, nothing executable. A running job whose lease ran out is claimed again."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_status_id", "status", "id"),)

    kind: Mapped[str] = mapped_column(String(50))
    payload: Mapped[dict[str, Any]]
    dedupe_key: Mapped[str | None] = mapped_column(String(100), unique=True)
    status: Mapped[JobStatus] = mapped_column(text_enum(JobStatus, "status"))
    worker: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    note: Mapped[str | None] = mapped_column(String(500))
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Event(Base):
    """One link of the audit chain: ids and digests only, never names or labels."""

    __tablename__ = "events"

    sequence: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(50), index=True)
    payload: Mapped[dict[str, Any]]
    hmac: Mapped[str] = mapped_column(String(64))


class EventHead(Keyed, Base):
    """The single row that every event locks last: how many events there are and the last link."""

    __tablename__ = "event_heads"

    count: Mapped[int] = mapped_column(BigKey)
    hmac: Mapped[str] = mapped_column(String(64))
