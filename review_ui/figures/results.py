"""The figures of the page of results, counted once for each state of the readings."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from curation.estimates import Estimate
from curation.reader_study.table import find_withdrawn_readers
from curation.tables.generation import Screening
from curation.tables.images import BuildStatus
from curation.tables.people import ReaderKind
from curation.tables.reading import Reading, Verdict, Worklist, WorklistItem, WorklistKind
from review_ui.figures.acceptance import acceptance
from review_ui.figures.readings import GivenReading, audits_of, candidates_of, readings_of
from review_ui.figures.reasons import ReasonByClass, reasons_by_class
from review_ui.figures.screening import CheckAgainstReaders, screened_with, screening_against_readers
from review_ui.figures.timing import ReaderTime, time_by_reader, time_histogram

State = tuple[int, int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class ResultFigures:
    """The figures of one worklist, as read by people or by models, and its rejects."""

    readings: int
    accepted: dict[str, dict[str, Estimate]]
    accepted_in_grid: dict[str, dict[str, Estimate]]
    reasons: Sequence[ReasonByClass]
    rejects: Sequence[GivenReading]
    histogram: Sequence[tuple[str, int]]
    times: Sequence[ReaderTime]
    screening: Sequence[CheckAgainstReaders]
    screened_with: Sequence[str]  # backbones


def state_of_results(session: Session, worklist_id: int) -> State:
    """What the figures depend on: the newest reading, the newest screening, and who withdrew."""
    newest_reading = select(func.max(Reading.id)).join(WorklistItem, WorklistItem.id == Reading.item_id)
    newest = session.scalar(newest_reading.where(WorklistItem.worklist_id == worklist_id)) or 0
    screened = session.scalar(select(func.max(Screening.id)).where(Screening.status == BuildStatus.READY)) or 0
    return newest, screened, tuple(sorted(find_withdrawn_readers(session)))


def result_figures(session: Session, worklist: Worklist, kind: ReaderKind) -> ResultFigures:
    """Count everything; this loads every reading of the worklist, so callers keep the result by its state.

    In a Turing test `accepted` are the images taken for real, and there are no rejects.
    """
    rows = readings_of(session, worklist.id, kind)
    single, grid = candidates_of(rows), candidates_of(rows, grid=True)
    single_readings = [row for row in rows if not row.is_grid]
    texts = {str(reason["code"]): str(reason["text"]) for reason in worklist.reasons}
    audits = audits_of(rows)
    judged = single if worklist.kind is WorklistKind.VERDICT else []
    return ResultFigures(
        readings=len(rows),
        accepted=acceptance(single) if single else {},
        accepted_in_grid=acceptance(grid) if grid else {},
        reasons=reasons_by_class(judged, texts),
        rejects=[row for row in judged + grid if row.verdict is Verdict.REJECT],
        histogram=time_histogram(single_readings),
        times=time_by_reader(single_readings),
        screening=screening_against_readers(session, worklist.id, judged + audits) if judged else [],
        screened_with=screened_with(session, worklist.id) if judged else [],
    )
