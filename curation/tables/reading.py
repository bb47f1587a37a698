"""Worklists, items, assignments, readings and outcomes."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from curation.tables.base import Base, BigKey, Keyed, text_enum
from curation.tables.images import BuildStatus, Image


class Verdict(StrEnum):
    """One reader's verdict on one image."""

    ACCEPT = "accept"
    REJECT = "reject"
    UNSURE = "unsure"


class Purpose(StrEnum):
    """Why an item is in a worklist; only candidates can enter a snapshot."""

    CANDIDATE = "candidate"
    REAL_CONTROL = "real_control"
    DEFECT_CONTROL = "defect_control"
    GATE_AUDIT = "gate_audit"


class AssignmentState(StrEnum):
    """An assignment is open, leased to its reader until a time, or done."""

    OPEN = "open"
    LEASED = "leased"
    DONE = "done"


class AssignmentPurpose(StrEnum):
    """Why a reader is given an item: a first reading, a hidden repeat, a grid audit, or adjudication."""

    FIRST = "first"
    REPEAT = "repeat"
    GRID_AUDIT = "grid_audit"
    ADJUDICATION = "adjudication"


class WorklistKind(StrEnum):
    """The task of a worklist: a verdict, a visual Turing test (real or synthetic), or practice with feedback."""

    VERDICT = "verdict"
    TURING = "turing"
    PRACTICE = "practice"


class OutcomeVerdict(StrEnum):
    """The outcome of the readings of an image under a rule."""

    APPROVED = "approved"
    REJECTED = "rejected"
    UNRESOLVED = "unresolved"


def _where(condition: str) -> dict[str, Any]:
    """The option of an index over a part of the rows, for both databases."""
    return {f"{database}_where": text(condition) for database in ("sqlite", "postgresql")}


class Worklist(Keyed, Base):
    """Images to be read, the question, and the rules."""

    __tablename__ = "worklists"

    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[WorklistKind] = mapped_column(text_enum(WorklistKind, "kind"), default=WorklistKind.VERDICT)
    practice_for_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("worklists.id"))
    status: Mapped[BuildStatus] = mapped_column(text_enum(BuildStatus, "status"))
    question: Mapped[str] = mapped_column(String(500))
    label_shown: Mapped[bool]
    readers_per_image: Mapped[int]
    rule: Mapped[dict[str, Any]]
    classes: Mapped[list[Any]]
    reasons: Mapped[list[Any]]
    recipe: Mapped[dict[str, Any]]
    notice: Mapped[str | None] = mapped_column(String(500))
    size: Mapped[int]
    controls: Mapped[int] = mapped_column(default=0)
    paused_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class WorklistReader(Base):
    """A reader who may read a worklist; a worklist without such rows is open to every reader."""

    __tablename__ = "worklist_readers"

    worklist_id: Mapped[int] = mapped_column(BigKey, ForeignKey("worklists.id"), primary_key=True)
    reader_id: Mapped[int] = mapped_column(BigKey, ForeignKey("readers.id"), primary_key=True)


class WorklistItem(Keyed, Base):
    """One image in a worklist, at a shuffled position; `truth` is for controls only and never leaves the server."""

    __tablename__ = "worklist_items"
    __table_args__ = (
        UniqueConstraint("worklist_id", "image_id", "purpose"),
        UniqueConstraint("worklist_id", "position"),
    )

    worklist_id: Mapped[int] = mapped_column(BigKey, ForeignKey("worklists.id"))
    image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"), index=True)
    purpose: Mapped[Purpose] = mapped_column(text_enum(Purpose, "purpose"))
    truth: Mapped[str | None] = mapped_column(String(100))
    shown_label: Mapped[str | None] = mapped_column(String(100))
    position: Mapped[int]
    priority: Mapped[float] = mapped_column(default=0.0)

    worklist: Mapped[Worklist] = relationship()
    image: Mapped[Image] = relationship()


class Assignment(Keyed, Base):
    """One reading slot of an item. Its opaque key is the only id a browser ever sees.

    Slots of candidates are made with the worklist (`readers_per_image` of them per item, reader empty unless shares
    were dealt out); a claim fills in the reader and a lease. Slots of controls, repeats, audits and adjudications are
    made when a reader is assigned them. A reader never holds two slots of one item for one purpose. `sequence` numbers
    a reader's assignments.
    """

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("item_id", "slot"),
        UniqueConstraint("item_id", "reader_id", "purpose"),
        Index("ix_assignments_open", "worklist_id", "position", **_where("state = 'open'")),
        Index("ix_assignments_leased", "worklist_id", "lease_until", **_where("state = 'leased'")),
        Index("ix_assignments_reader", "reader_id", "worklist_id", "state"),
        Index("ix_assignments_sequence", "reader_id", "worklist_id", "sequence"),
    )

    key: Mapped[str] = mapped_column(String(32), unique=True)
    worklist_id: Mapped[int] = mapped_column(BigKey, ForeignKey("worklists.id"))
    item_id: Mapped[int] = mapped_column(BigKey, ForeignKey("worklist_items.id"))
    slot: Mapped[int]
    purpose: Mapped[AssignmentPurpose] = mapped_column(
        text_enum(AssignmentPurpose, "purpose"), default=AssignmentPurpose.FIRST
    )
    sequence: Mapped[int | None]
    position: Mapped[int]
    state: Mapped[AssignmentState] = mapped_column(text_enum(AssignmentState, "state"))
    reader_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("readers.id"))
    lease_until: Mapped[datetime | None]

    item: Mapped[WorklistItem] = relationship()


class ReaderCursor(Base):
    """How far a reader is in a worklist, so that a claim does not walk over what was read before.

    `position` counts places in the reader's own order, `handed_out` assignments; `done` counts readings that stand,
    `pooled_done` and `controls_done` those on shared slots and on controls. `allotted` is the number of candidates that
    were dealt out to the reader in advance; None where readers share one pool.
    """

    __tablename__ = "reader_cursors"

    reader_id: Mapped[int] = mapped_column(BigKey, ForeignKey("readers.id"), primary_key=True)
    worklist_id: Mapped[int] = mapped_column(BigKey, ForeignKey("worklists.id"), primary_key=True)
    position: Mapped[int] = mapped_column(default=0)
    handed_out: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    pooled_done: Mapped[int] = mapped_column(default=0)
    controls_done: Mapped[int] = mapped_column(default=0)
    allotted: Mapped[int | None]


class Reading(Keyed, Base):
    """One row of the append-only record of readings: a verdict, or the voiding of an earlier one (undo).

    `op_id` is made by the client, so that sending the same reading again is harmless. `mark` is a point or a box in
    stored pixels, `ratings` are 1 to 5 by name, `confidence` 1 (surely synthetic) to 6 (surely real) in a Turing test.
    `page_id` joins the readings of one page of the grid. A verdict changed after others were revealed says so.
    """

    __tablename__ = "readings"
    __table_args__ = (Index("ix_readings_item_id", "item_id"), Index("ix_readings_reader_id", "reader_id", "id"))

    op_id: Mapped[str] = mapped_column(String(64), unique=True)
    assignment_id: Mapped[int] = mapped_column(BigKey, ForeignKey("assignments.id"), index=True)
    item_id: Mapped[int] = mapped_column(BigKey, ForeignKey("worklist_items.id"))
    reader_id: Mapped[int] = mapped_column(BigKey, ForeignKey("readers.id"))
    voids_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("readings.id"), unique=True)
    verdict: Mapped[Verdict | None] = mapped_column(text_enum(Verdict, "verdict"))
    corrected_label: Mapped[str | None] = mapped_column(String(100))
    reasons: Mapped[list[Any]]
    comment: Mapped[str | None] = mapped_column(Text)
    mode: Mapped[str] = mapped_column(String(20), default="single")
    page_id: Mapped[str | None] = mapped_column(String(32))
    ratings: Mapped[dict[str, Any] | None]
    mark: Mapped[dict[str, Any] | None]
    confidence: Mapped[int | None]
    after_reveal: Mapped[bool] = mapped_column(default=False)
    elapsed_ms: Mapped[int | None]
    idle_ms: Mapped[int | None]
    read_at: Mapped[datetime]
    created_at: Mapped[datetime]


class Outcome(Base):
    """The outcome of the readings of one image: a pure function of the readings and the rule.

    `proxy_only` rests on models alone, `grid` on a verdict for a whole page: no claim rests on either.
    """

    __tablename__ = "outcomes"

    worklist_id: Mapped[int] = mapped_column(BigKey, ForeignKey("worklists.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("images.id"), primary_key=True, index=True)
    rule_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    verdict: Mapped[OutcomeVerdict] = mapped_column(text_enum(OutcomeVerdict, "verdict"))
    label: Mapped[str | None] = mapped_column(String(100))
    reading_ids: Mapped[list[Any]]
    proxy_only: Mapped[bool]
    grid: Mapped[bool] = mapped_column(default=False)
    adjudicated: Mapped[bool] = mapped_column(default=False)


class Vocabulary(Base):
    """A project's own reasons for rejecting, beside those that ship: `[{key, code, text}]`."""

    __tablename__ = "vocabularies"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    reasons: Mapped[list[Any]]
    created_at: Mapped[datetime]
