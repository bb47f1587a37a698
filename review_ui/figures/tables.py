"""Every figure of a worklist as a table of plain values, for the CSV exports."""

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import NotFound
from curation.estimates import Estimate
from curation.reader_study.report import reader_study
from curation.reading.worklist import open_worklist
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Worklist
from review_ui.figures.acceptance import acceptance
from review_ui.figures.readings import GivenReading, audits_of, candidates_of, readings_of
from review_ui.figures.reasons import reasons_by_class
from review_ui.figures.screening import screening_against_readers
from review_ui.figures.timing import time_by_reader, time_histogram

Cell = str | int | float | None
Table = tuple[tuple[str, ...], list[tuple[Cell, ...]]]
STUDY = "study"
PROPORTION = ("hits", "n", "share", "low_95", "high_95")


def figure_table(session: Session, worklist_id: int, figure: str, with_names: bool) -> Table:
    """The header and the rows of one figure; readers by id unless `with_names`. Raises NotFound."""
    worklist = open_worklist(session, worklist_id)
    if figure == STUDY:
        return _study_table(session, worklist_id, with_names)
    if figure not in FIGURES:
        raise NotFound(f"there is no figure {figure!r}: expected one of {', '.join([*FIGURES, STUDY])}.")
    header, rows_of = FIGURES[figure]
    cells: list[tuple[Cell, ...]] = []
    for kind in ReaderKind:
        readings = readings_of(session, worklist_id, kind)
        cells += [(kind.value, *row) for row in rows_of(session, worklist, readings, with_names)]
    return ("read_by", *header), cells


def _study_table(session: Session, worklist_id: int, with_names: bool) -> Table:
    study = reader_study(session, worklist_id)
    ids = {name: str(key) for key, name in session.execute(select(Reader.id, Reader.name))}
    people = study.readers
    pairs = {f"{reader} and {other}": f"{ids[reader]} and {ids[other]}" for reader in people for other in people}
    readers = {"": "", "all": "all"} | pairs | ids
    header = ("figure", "reader", "group", "value", "low_95", "high_95", "n", "note")
    rows: list[tuple[Cell, ...]] = [
        (
            figure.figure, figure.reader if with_names else readers[figure.reader], figure.group,
            figure.value, figure.low, figure.high, figure.n, figure.note,
        )
        for figure in study.figures()
    ]  # fmt: skip
    return header, rows


def _cells(share: Estimate) -> tuple[Cell, ...]:
    return share.hits, share.n, *(round(percent / 100, 6) for percent in share.percent())


def _acceptance(session: Session, worklist: Worklist, rows: list[GivenReading], names: bool) -> list[tuple[Cell, ...]]:
    cells: list[tuple[Cell, ...]] = []
    for mode in ("single", "grid"):
        for dimension, shares in acceptance(candidates_of(rows, mode == "grid")).items():
            cells += [(mode, dimension, value, *_cells(share)) for value, share in shares.items()]
    return cells


def _reasons(session: Session, worklist: Worklist, rows: list[GivenReading], names: bool) -> list[tuple[Cell, ...]]:
    texts = {reason["code"]: reason["text"] for reason in worklist.reasons}
    return [(row.reason, row.label, *_cells(row.share)) for row in reasons_by_class(candidates_of(rows), texts)]


def _times(session: Session, worklist: Worklist, rows: list[GivenReading], names: bool) -> list[tuple[Cell, ...]]:
    single = [row for row in rows if not row.is_grid]
    return [
        (time.reader if names else time.reader_id, time.n, time.median_s, time.low_s, time.high_s)
        for time in time_by_reader(single)
    ]


def _histogram(session: Session, worklist: Worklist, rows: list[GivenReading], names: bool) -> list[tuple[Cell, ...]]:
    return list(time_histogram([row for row in rows if not row.is_grid]))


def _screening(session: Session, worklist: Worklist, rows: list[GivenReading], names: bool) -> list[tuple[Cell, ...]]:
    return [
        (check.check, verdict, *_cells(share))
        for check in screening_against_readers(session, worklist.id, candidates_of(rows) + audits_of(rows))
        for verdict, share in (("pass", check.passed), ("flag", check.flagged), ("block", check.blocked))
        if share is not None
    ]


RowsOf = Callable[[Session, Worklist, list[GivenReading], bool], Sequence[tuple[Cell, ...]]]
FIGURES: dict[str, tuple[tuple[str, ...], RowsOf]] = {
    "acceptance": (("mode", "dimension", "value", *PROPORTION), _acceptance),
    "reasons": (("reason", "class", *PROPORTION), _reasons),
    "times": (("reader", "n", "median_s", "low_95", "high_95"), _times),
    "time-histogram": (("seconds", "n"), _histogram),
    "screening": (("check", "screening", *PROPORTION), _screening),
}
