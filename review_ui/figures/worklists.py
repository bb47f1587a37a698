"""The worklists of the overview, counted in the database, with intervals."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from curation.estimates import Estimate, ImageSums
from curation.reading.outcomes import stands
from curation.reading.progress import count_readings_by_people
from curation.tables.images import BuildStatus
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import (
    Assignment,
    Purpose,
    ReaderCursor,
    Reading,
    Verdict,
    Worklist,
    WorklistItem,
    WorklistKind,
)
from review_ui.figures.readings import class_of_item, is_first_reading


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The share accepted of the first readings of candidates of one class by one kind of reader, singly or in pages."""

    label: str
    kind: ReaderKind
    is_grid: bool
    share: Estimate


@dataclass(frozen=True, slots=True)
class ReaderCount:
    """How many readings that stand one reader has given: candidates, controls, repeats and all."""

    name: str
    kind: ReaderKind
    readings: int


@dataclass(frozen=True, slots=True)
class WorklistFigures:
    """One worklist: readings by people, acceptance, and counts by reader and reason."""

    worklist_id: int
    name: str
    kind: WorklistKind
    is_own: bool  # one reader's own, not everybody's
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
    if reader_id is None:
        done, slots = count_readings_by_people(session, worklist)
    else:
        cursor = session.get(ReaderCursor, (reader_id, worklist.id))
        done = cursor.done if cursor else 0
        share = worklist.size if cursor is None or cursor.allotted is None else cursor.allotted + worklist.controls
        slots = max(done, share)
    accepted = _acceptance(session, worklist) if reader_id is None else []
    readers, reasons = _reader_counts(session, worklist, reader_id), _reason_counts(session, worklist, reader_id)
    facts = (worklist.id, worklist.name, worklist.kind, reader_id is not None, worklist.notice)
    return WorklistFigures(*facts, done, slots, accepted, readers, reasons)


def _standing_readings(worklist: Worklist, reader_id: int | None) -> list[ColumnElement[bool]]:
    """The conditions for readings of this worklist that stand; a verdict changed after a reveal is no second one."""
    conditions = [WorklistItem.worklist_id == worklist.id, stands(), Reading.after_reveal.is_(False)]
    return conditions if reader_id is None else [*conditions, Reading.reader_id == reader_id]


def _acceptance(session: Session, worklist: Worklist) -> list[Acceptance]:
    accepted, is_grid = func.count().filter(Reading.verdict == Verdict.ACCEPT), Reading.mode == "grid"
    of_item = (
        select(WorklistItem.id, Reader.kind, is_grid.label("grid"), accepted.label("hits"), func.count().label("n"))
        .select_from(Reading)
        .join(Assignment, Assignment.id == Reading.assignment_id)
        .join(WorklistItem, Reading.item_id == WorklistItem.id)
        .join(Reader, Reading.reader_id == Reader.id)
        .where(*is_first_reading(session, worklist.id), WorklistItem.purpose == Purpose.CANDIDATE)
        .group_by(WorklistItem.id, Reader.kind, is_grid)
        .subquery()
    )
    columns = of_item.c
    with_class = (
        select(class_of_item().label("label"), columns.kind, columns.grid, columns.hits, columns.n)
        .join(WorklistItem, WorklistItem.id == columns.id)
        .subquery()
    )
    n, hits, keys = with_class.c.n, with_class.c.hits, (with_class.c.kind, with_class.c.grid, with_class.c.label)
    sums = (func.count(), func.sum(n), func.sum(hits), func.sum(n * n), func.sum(hits * hits), func.sum(n * hits))
    counted = session.execute(select(*keys, *sums).group_by(*keys).order_by(*keys))
    return [
        Acceptance(label, kind, bool(grid), ImageSums(*map(int, values)).proportion())
        for kind, grid, label, *values in counted
    ]


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
    """Reasons with their counts: of the single readings that acceptance counts, or of all of one reader's own."""
    texts = {reason["code"]: reason["text"] for reason in worklist.reasons}
    rejects = select(Reader.kind, Reading.reasons).select_from(Reading).where(Reading.verdict == Verdict.REJECT)
    rejects = rejects.join(WorklistItem, Reading.item_id == WorklistItem.id).join(Reader)
    if reader_id is None:
        of_candidates = (WorklistItem.purpose == Purpose.CANDIDATE, Reading.mode != "grid")
        rejects = rejects.join(Assignment, Assignment.id == Reading.assignment_id)
        rejects = rejects.where(*is_first_reading(session, worklist.id), *of_candidates)
    else:
        rejects = rejects.where(*_standing_readings(worklist, reader_id))
    counts = Counter(
        {(text, kind): 0 for kind in ReaderKind for text in texts.values()}
    )  # equal counts keep this order
    counts.update((texts.get(code, code), kind) for kind, reasons in session.execute(rejects) for code in reasons)
    return [
        (text if kind is ReaderKind.HUMAN else f"{text}, by a proxy", count)
        for (text, kind), count in counts.most_common()
        if count
    ]
