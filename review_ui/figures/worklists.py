"""The worklists of the overview, counted in the database, with intervals."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from curation.estimates import Estimate, ImageSums
from curation.queries import is_positive
from curation.reading.outcomes import stands
from curation.reading.slots import PROXY_SLOT
from curation.tables.images import BuildStatus, ImageLabel, Label
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import (
    Assignment,
    AssignmentState,
    Purpose,
    ReaderCursor,
    Reading,
    Verdict,
    Worklist,
    WorklistItem,
)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The share accepted of the readings of candidates of one class by one kind of reader."""

    label: str
    kind: ReaderKind
    share: Estimate


@dataclass(frozen=True, slots=True)
class ReaderCount:
    """How many readings one reader has given."""

    name: str
    kind: ReaderKind
    readings: int


@dataclass(frozen=True, slots=True)
class WorklistFigures:
    """One worklist: slots read by people, acceptance, and counts by reader and reason."""

    worklist_id: int
    name: str
    notice: str | None
    done: int
    slots: int
    acceptance: list[Acceptance]
    readers: list[ReaderCount]
    reasons: list[tuple[str, int]]


def worklist_figures(session: Session, reader_id: int | None) -> list[WorklistFigures]:
    """Every ready worklist, newest first; with `reader_id` only the readings of that reader.

    A reader's own figures count all images alike: a count of candidates alone would not move after a control, and so
    would reveal it.
    """
    ready = select(Worklist).where(Worklist.status == BuildStatus.READY).order_by(Worklist.id.desc())
    return [_figures_of_worklist(session, worklist, reader_id) for worklist in session.scalars(ready)]


def _figures_of_worklist(session: Session, worklist: Worklist, reader_id: int | None) -> WorklistFigures:
    slots, done = session.execute(
        select(func.count(), func.count().filter(Assignment.state == AssignmentState.DONE)).where(
            Assignment.worklist_id == worklist.id, Assignment.slot < PROXY_SLOT
        )
    ).one()
    if reader_id is not None:
        cursor = session.get(ReaderCursor, (reader_id, worklist.id))
        done = cursor.done if cursor else 0
        share = worklist.size if cursor is None or cursor.allotted is None else cursor.allotted + worklist.controls
        slots = max(done, share)
    accepted = _acceptance(session, worklist) if reader_id is None else []
    readers, reasons = _reader_counts(session, worklist, reader_id), _reason_counts(session, worklist, reader_id)
    return WorklistFigures(worklist.id, worklist.name, worklist.notice, done, slots, accepted, readers, reasons)


def _standing_readings(worklist: Worklist, reader_id: int | None) -> list[ColumnElement[bool]]:
    """The conditions for readings of this worklist that stand."""
    conditions = [WorklistItem.worklist_id == worklist.id, stands()]
    return conditions if reader_id is None else [*conditions, Reading.reader_id == reader_id]


def _acceptance(session: Session, worklist: Worklist) -> list[Acceptance]:
    accepted = func.count().filter(Reading.verdict == Verdict.ACCEPT)
    of_image = (
        select(Label.name.label("label"), Reader.kind, accepted.label("hits"), func.count().label("n"))
        .select_from(Reading)
        .join(WorklistItem, Reading.item_id == WorklistItem.id)
        .join(Reader, Reading.reader_id == Reader.id)
        .join(ImageLabel, ImageLabel.image_id == WorklistItem.image_id)
        .join(Label, Label.id == ImageLabel.label_id)
        .where(*_standing_readings(worklist, None), WorklistItem.purpose == Purpose.CANDIDATE, is_positive("request"))
        .group_by(Label.name, Reader.kind, WorklistItem.id)
        .subquery()
    )
    n, hits = of_image.c.n, of_image.c.hits
    sums = (func.count(), func.sum(n), func.sum(hits), func.sum(n * n), func.sum(hits * hits), func.sum(n * hits))
    keys = (of_image.c.kind, of_image.c.label)
    counted = session.execute(select(*keys, *sums).group_by(*keys).order_by(*keys))
    return [Acceptance(label, kind, ImageSums(*map(int, values)).proportion()) for kind, label, *values in counted]


def _reader_counts(session: Session, worklist: Worklist, reader_id: int | None) -> list[ReaderCount]:
    rows = session.execute(
        select(Reader.name, Reader.kind, func.count())
        .select_from(Reading)
        .join(WorklistItem, Reading.item_id == WorklistItem.id)
        .join(Reader, Reading.reader_id == Reader.id)
        .where(*_standing_readings(worklist, reader_id))
        .group_by(Reader.id)
        .order_by(func.count().desc())
    )
    return [ReaderCount(name, kind, count) for name, kind, count in rows]


def _reason_counts(session: Session, worklist: Worklist, reader_id: int | None) -> list[tuple[str, int]]:
    texts = {reason["code"]: reason["text"] for reason in worklist.reasons}
    counts = dict.fromkeys(texts, 0)
    rejects = (
        select(Reading.reasons)
        .join(WorklistItem, Reading.item_id == WorklistItem.id)
        .where(*_standing_readings(worklist, reader_id), Reading.verdict == Verdict.REJECT)
    )
    for reasons in session.scalars(rejects):
        for code in reasons:
            counts[code] = counts.get(code, 0) + 1
    ranked = sorted(counts.items(), key=lambda entry: -entry[1])
    return [(texts.get(code, code), count) for code, count in ranked if count]
