"""Load the readings behind the result figures: verdicts that stand, of readers who did not withdraw."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from curation.queries import class_asked
from curation.reader_study.table import find_withdrawn_readers
from curation.reading.outcomes import stands
from curation.tables.generation import Batch, Generator
from curation.tables.images import Image
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Assignment, AssignmentPurpose, Purpose, Reading, Verdict, WorklistItem

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class GivenReading:
    """One verdict, with the facts of its image that the figures need."""

    id: int
    image_id: int
    file_sha256: str
    reader_id: int
    reader: str
    kind: ReaderKind
    purpose: Purpose
    verdict: Verdict
    reasons: tuple[str, ...]
    comment: str | None
    mark: dict[str, Any] | None
    is_grid: bool
    label: str
    batch_id: int | None
    generator: str
    request: dict[str, Any]
    elapsed_ms: int | None
    idle_ms: int | None
    read_at: datetime

    @property
    def is_accept(self) -> bool:
        """Whether the verdict is accept."""
        return self.verdict is Verdict.ACCEPT

    @property
    def net_s(self) -> float | None:
        """Seconds at the image, without idle time."""
        if self.elapsed_ms is None:
            return None
        return max(0, self.elapsed_ms - (self.idle_ms or 0)) / 1000

    def setting(self, name: str) -> str:
        """A setting of the batch's request as text; `unknown` when the request does not have it."""
        value = self.request.get(name)
        return UNKNOWN if value is None else str(value)


def is_first_reading(session: Session, worklist_id: int) -> list[ColumnElement[bool]]:
    """The conditions for what every figure counts: `Reading`s that stand, on first slots, before any reveal.

    Hidden repeats, audits and adjudications are left out, and readers who withdrew.
    """
    return [
        WorklistItem.worklist_id == worklist_id,
        Assignment.purpose == AssignmentPurpose.FIRST,
        stands(),
        Reading.after_reveal.is_(False),
        Reading.reader_id.not_in(find_withdrawn_readers(session)),
    ]


def class_of_item() -> ColumnElement[str]:
    """The class under which a `WorklistItem` is counted: what a control is, or what a candidate was asked to show."""
    return func.coalesce(WorklistItem.truth, class_asked(WorklistItem.image_id), UNKNOWN)


def readings_of(session: Session, worklist_id: int, kind: ReaderKind | None = None) -> list[GivenReading]:
    """Load first readings, single and grid; oldest first."""
    query = (
        select(
            Reading, Reader.name, Reader.kind, WorklistItem.purpose, Image.id, Image.file_sha256, class_of_item(),
            Batch.id, Generator.name, Batch.request,
        )
        .join(Assignment, Assignment.id == Reading.assignment_id)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .join(Image, Image.id == WorklistItem.image_id)
        .join(Reader, Reader.id == Reading.reader_id)
        .outerjoin(Batch, Batch.id == Image.batch_id)
        .outerjoin(Generator, Generator.id == Batch.generator_id)
        .where(*is_first_reading(session, worklist_id))
        .order_by(Reading.id)
    )  # fmt: skip
    if kind is not None:
        query = query.where(Reader.kind == kind)
    return [
        GivenReading(
            id=reading.id, image_id=image_id, file_sha256=digest, reader_id=reading.reader_id, reader=name,
            kind=reader_kind, purpose=purpose, verdict=reading.verdict, reasons=tuple(reading.reasons),
            comment=reading.comment, mark=reading.mark, is_grid=reading.mode == "grid", label=shown,
            batch_id=batch, generator=generator or UNKNOWN, request=request or {}, elapsed_ms=reading.elapsed_ms,
            idle_ms=reading.idle_ms, read_at=reading.read_at,
        )
        for reading, name, reader_kind, purpose, image_id, digest, shown, batch, generator, request
        in session.execute(query)
    ]  # fmt: skip


def candidates_of(rows: list[GivenReading], grid: bool = False) -> list[GivenReading]:
    """Readings of candidates: those given image by image, or those given for a page of the grid."""
    return [row for row in rows if row.purpose is Purpose.CANDIDATE and row.is_grid is grid]


def audits_of(rows: list[GivenReading]) -> list[GivenReading]:
    """Readings, image by image, of images that screening had blocked."""
    return [row for row in rows if row.purpose is Purpose.GATE_AUDIT and not row.is_grid]
