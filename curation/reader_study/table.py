"""The readings that statistics rest on: every standing reading of a worklist by a person."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.queries import class_asked
from curation.readers.consent import has_withdrawn
from curation.reading.outcomes import stands
from curation.reading.worklist import open_worklist
from curation.tables.images import Image
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Assignment, AssignmentPurpose, Purpose, Reading, Verdict, WorklistItem


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A reading with its image, its item and its assignment."""

    reading_id: int
    reader_id: int
    reader: str
    item_id: int
    image_id: int
    batch_id: int | None
    purpose: Purpose
    truth: str | None  # the class of a real control, the defect of a defect control
    asked: str | None  # the class a candidate was asked to show
    given_as: AssignmentPurpose
    verdict: Verdict
    reasons: tuple[str, ...]
    corrected_label: str | None
    mode: str
    after_reveal: bool
    confidence: int | None
    elapsed_ms: int | None
    sequence: int | None
    read_at: datetime

    @property
    def label(self) -> str | None:
        """The class the reader gave, or did not contradict."""
        return self.corrected_label or self.asked or (self.truth if self.purpose is Purpose.REAL_CONTROL else None)


@dataclass(frozen=True, slots=True)
class StudyTable:
    """Readings of people, oldest first; `withdrawn` counts the readers who withdrew and are left out."""

    rows: tuple[StudyRow, ...]
    withdrawn: int

    def where(self, keep: Callable[[StudyRow], bool]) -> "StudyTable":
        """Keep the rows for which `keep` holds."""
        return replace(self, rows=tuple(row for row in self.rows if keep(row)))

    def blind(self) -> "StudyTable":
        """Keep first readings of single images: no grid, no repeat, no audit, nothing after a reveal."""
        return self.where(
            lambda row: row.given_as is AssignmentPurpose.FIRST and row.mode == "single" and not row.after_reveal
        )

    def by_reader(self) -> dict[str, "StudyTable"]:
        """Split into a table for each reader, by name."""
        names = sorted({row.reader for row in self.rows})
        return {name: self.where(lambda row, name=name: row.reader == name) for name in names}  # type: ignore[misc]

    def without(self, readers: set[str]) -> "StudyTable":
        """Drop the rows of these readers."""
        return self.where(lambda row: row.reader not in readers)


def load_study_table(session: Session, worklist_id: int) -> StudyTable:
    """Load the readings of a worklist by people who have not withdrawn their consent. Raises NotFound."""
    open_worklist(session, worklist_id)
    query = (
        select(Reading, Reader.name, WorklistItem, Image.batch_id, Assignment, class_asked(WorklistItem.image_id))
        .select_from(Reading)
        .join(Reader, Reader.id == Reading.reader_id)
        .join(WorklistItem, WorklistItem.id == Reading.item_id)
        .join(Image, Image.id == WorklistItem.image_id)
        .join(Assignment, Assignment.id == Reading.assignment_id)
        .where(WorklistItem.worklist_id == worklist_id, Reader.kind == ReaderKind.HUMAN, stands())
        .order_by(Reading.id)
    )
    loaded = session.execute(query).all()
    withdrawn = find_withdrawn_readers(session)
    rows = [
        StudyRow(
            reading_id=reading.id,
            reader_id=reading.reader_id,
            reader=name,
            item_id=item.id,
            image_id=item.image_id,
            batch_id=batch_id,
            purpose=item.purpose,
            truth=item.truth,
            asked=asked,
            given_as=assignment.purpose,
            verdict=reading.verdict,
            reasons=tuple(reading.reasons),
            corrected_label=reading.corrected_label,
            mode=reading.mode,
            after_reveal=reading.after_reveal,
            confidence=reading.confidence,
            elapsed_ms=reading.elapsed_ms,
            sequence=assignment.sequence,
            read_at=reading.read_at,
        )
        for reading, name, item, batch_id, assignment, asked in loaded
        if reading.reader_id not in withdrawn and reading.verdict is not None
    ]
    return StudyTable(tuple(rows), len({row.Reading.reader_id for row in loaded} & withdrawn))


def find_withdrawn_readers(session: Session) -> set[int]:
    """Find the readers who withdrew their consent and have not agreed again; returns ids."""
    return set(session.scalars(select(Reader.id).where(has_withdrawn(Reader.id))))
