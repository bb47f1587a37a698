"""Every figure of a worklist as a table of plain values: what the CSV exports and their test rest on."""

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import NotFound
from curation.estimates import Estimate
from curation.reader_study.report import reader_study
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
    """One figure's header and rows; readers by id unless `with_names`. Raises NotFound."""
    worklist = session.get(Worklist, worklist_id)
    if worklist is None:
        raise NotFound(f"there is no worklist {worklist_id}.")
    if figure == STUDY:
        return _study(session, worklist_id, with_names)
    if figure not in FIGURES:
        raise NotFound(f"there is no figure {figure!r}: expected one of {', '.join([*FIGURES, STUDY])}.")
    header, rows_of = FIGURES[figure]
    found: list[tuple[Cell, ...]] = []
    for kind in ReaderKind:
        given = readings_of(session, worklist_id, kind)
        found += [(kind.value, *row) for row in rows_of(session, worklist, given, with_names)]
    return ("read_by", *header), found


def _study(session: Session, worklist_id: int, with_names: bool) -> Table:
    study = reader_study(session, worklist_id)
    ids = {name: str(key) for key, name in session.execute(select(Reader.id, Reader.name))}
    pairs = {f"{one} and {other}": f"{ids[one]} and {ids[other]}" for one in study.readers for other in study.readers}
    told = {"": "", "all": "all"} | pairs | ids
    header = ("figure", "reader", "group", "value", "low_95", "high_95", "n", "note")
    rows: list[tuple[Cell, ...]] = [
        (one.figure, one.reader if with_names else told[one.reader], one.group, one.value, one.low, one.high, one.n,
         one.note)
        for one in study.figures()
    ]  # fmt: skip
    return header, rows


def _cells(share: Estimate) -> tuple[Cell, ...]:
    return share.hits, share.n, *(round(percent / 100, 6) for percent in share.percent())


def _acceptance(session: Session, worklist: Worklist, rows: list[GivenReading], names: bool) -> list[tuple[Cell, ...]]:
    found: list[tuple[Cell, ...]] = []
    for mode in ("single", "grid"):
        for dimension, shares in acceptance(candidates_of(rows, mode == "grid")).items():
            found += [(mode, dimension, value, *_cells(share)) for value, share in shares.items()]
    return found


def _reasons(session: Session, worklist: Worklist, rows: list[GivenReading], names: bool) -> list[tuple[Cell, ...]]:
    texts = {reason["code"]: reason["text"] for reason in worklist.reasons}
    return [(one.reason, one.label, *_cells(one.share)) for one in reasons_by_class(candidates_of(rows), texts)]


def _times(session: Session, worklist: Worklist, rows: list[GivenReading], names: bool) -> list[tuple[Cell, ...]]:
    single = [row for row in rows if not row.is_grid]
    return [
        (one.reader if names else one.reader_id, one.n, one.median_s, one.low_s, one.high_s)
        for one in time_by_reader(single)
    ]


def _histogram(session: Session, worklist: Worklist, rows: list[GivenReading], names: bool) -> list[tuple[Cell, ...]]:
    return list(time_histogram([row for row in rows if not row.is_grid]))


def _screening(session: Session, worklist: Worklist, rows: list[GivenReading], names: bool) -> list[tuple[Cell, ...]]:
    return [
        (one.check, verdict, *_cells(share))
        for one in screening_against_readers(session, worklist.id, candidates_of(rows) + audits_of(rows))
        for verdict, share in (("pass", one.passed), ("flag", one.flagged), ("block", one.blocked))
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
