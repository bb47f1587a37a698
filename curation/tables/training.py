"""Snapshots, backbones, training runs, evaluations and studies."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from curation.tables.base import Base, BigKey, Keyed, text_enum
from curation.tables.images import BuildStatus, Split


class Snapshot(Keyed, Base):
    """An immutable dataset version with the ids of the readings it rests on; later readings mark it stale.

    `outcomes_digest` covers every outcome of the worklists that count, used or not, at the time of building.
    """

    __tablename__ = "snapshots"

    name: Mapped[str] = mapped_column(String(100), unique=True)
    directory: Mapped[str] = mapped_column(String(1024))
    digest: Mapped[str | None] = mapped_column(String(64))
    recipe: Mapped[dict[str, Any]]
    status: Mapped[BuildStatus] = mapped_column(text_enum(BuildStatus, "status"))
    counts: Mapped[dict[str, Any]]
    reading_ids: Mapped[list[Any]]
    outcomes_digest: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


class SnapshotItem(Base):
    """One image of a snapshot: its split, label and reason; repeats of an image count `copy` up from 0."""

    __tablename__ = "snapshot_items"

    snapshot_id: Mapped[int] = mapped_column(BigKey, ForeignKey("snapshots.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"), primary_key=True, index=True)
    copy: Mapped[int] = mapped_column(primary_key=True, default=0)
    split: Mapped[Split] = mapped_column(text_enum(Split, "split"))
    label: Mapped[str] = mapped_column(String(100))
    weight: Mapped[float] = mapped_column(default=1.0)
    why: Mapped[str] = mapped_column(String(200))


class AddedBackbone(Keyed, Base):
    """A backbone that was added to the project; `digest` covers every file of its folder, which the card lists."""

    __tablename__ = "backbones"

    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    directory: Mapped[str] = mapped_column(String(1024))
    digest: Mapped[str] = mapped_column(String(64))
    card: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Run(Keyed, Base):
    """One adaptation of a backbone to a snapshot."""

    __tablename__ = "runs"

    name: Mapped[str] = mapped_column(String(100), unique=True)
    snapshot_id: Mapped[int] = mapped_column(BigKey, ForeignKey("snapshots.id"))
    config: Mapped[dict[str, Any]]
    config_digest: Mapped[str] = mapped_column(String(64))
    directory: Mapped[str] = mapped_column(String(1024))
    status: Mapped[BuildStatus] = mapped_column(text_enum(BuildStatus, "status"))
    metrics: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Evaluation(Keyed, Base):
    """One measurement of a run on a split; each opening of the test split is also an event."""

    __tablename__ = "evaluations"

    run_id: Mapped[int] = mapped_column(BigKey, ForeignKey("runs.id"), index=True)
    split: Mapped[Split] = mapped_column(text_enum(Split, "split"))
    metrics: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Study(Keyed, Base):
    """The same adaptation on several arms, compared on held-out real subjects."""

    __tablename__ = "studies"

    name: Mapped[str] = mapped_column(String(100), unique=True)
    plan: Mapped[dict[str, Any]]
    plan_digest: Mapped[str] = mapped_column(String(64))
    directory: Mapped[str] = mapped_column(String(1024))
    status: Mapped[BuildStatus] = mapped_column(text_enum(BuildStatus, "status"))
    result: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


def arm_snapshot_name(study: str, arm: str) -> str:
    """Name the snapshot of a study's arm: `evidence` and `plus_raw` give `evidence-plus-raw`."""
    return f"{study}-{arm.replace('_', '-')}"
