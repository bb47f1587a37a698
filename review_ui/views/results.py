"""Results of a worklist: what was accepted, why not, how long it took, and what screening had said."""

from html import escape

import streamlit as st

from curation.models.people import ReaderKind
from curation.models.reading import Worklist
from review_ui.context import current_project
from review_ui.figures.acceptance import acceptance
from review_ui.figures.readings import GivenReading, candidates_of, readings_of
from review_ui.figures.reasons import reasons_by_class, recent_rejects
from review_ui.figures.screening import screening_against_readers
from review_ui.figures.timing import time_by_reader, time_histogram
from review_ui.permissions import Capability
from review_ui.views.parts import reader_who_can, worklist_choice
from review_ui.views.pictures import gallery
from review_ui.views.plots import dots, heat_table, histogram, reader_times, screening_table, section

KINDS = {"People": ReaderKind.HUMAN, "Proxies (models)": ReaderKind.PROXY}
TITLES = {
    "class": "By class",
    "batch": "By batch",
    "generator": "By generator",
    "guidance": "By guidance",
    "steps": "By sampler steps",
    "sampler": "By sampler",
}
CARDS = 24
ACCEPTANCE_NOTE = (
    "Share of readings of candidates that say accept; unsure counts as not accepted. Line: exact 95 % interval "
    "(Clopper-Pearson), reading by reading. Readings of whole pages of the grid are left out."
)


def results_page() -> None:
    """Every figure of one worklist, people and proxies apart."""
    reader_who_can(Capability.SEE_RESULTS)
    with st.container(key="filters", horizontal=True):
        worklist = worklist_choice()
        if worklist is None:
            return
        kind = st.segmented_control("Read by", list(KINDS), default="People", required=True)
    with current_project().database.read() as session:
        rows = readings_of(session, worklist.id, KINDS[str(kind)])
        against = screening_against_readers(session, worklist.id, candidates_of(rows))
    if worklist.notice:
        st.html(f'<div class="r-section"><p class="r-notice">{escape(worklist.notice)}</p></div>')
    single, grid = candidates_of(rows), candidates_of(rows, grid=True)
    if not rows:
        st.html(section("Nothing read yet", "", note=f"No reading of {worklist.name} by {str(kind).lower()} stands."))
        return
    _acceptance(worklist, "Accepted", single, ACCEPTANCE_NOTE)
    _reasons(worklist, single)
    _gallery(worklist, single + grid)
    _times(worklist, [row for row in rows if not row.is_grid])
    if against and single:
        note = "Among readings of candidates. A check that tells readers' rejects apart has its dots far apart."
        st.html(section("Screening against readers", screening_table(against), _csv(worklist, "screening"), note))
    if grid:
        note = "A verdict given for a page at once: in no agreement, no d-prime and no claim."
        _acceptance(worklist, "Accepted in the grid", grid, note)


def _csv(worklist: Worklist, figure: str) -> str:
    return f"/rounds/exports/worklists/{worklist.id}/{figure}.csv"


def _acceptance(worklist: Worklist, title: str, rows: list[GivenReading], note: str) -> None:
    if rows:
        plots = "".join(dots(TITLES[name], some) for name, some in acceptance(rows).items())
        st.html(section(title, f'<div class="r-multiples">{plots}</div>', _csv(worklist, "acceptance"), note))


def _texts(worklist: Worklist) -> dict[str, str]:
    return {reason["code"]: reason["text"] for reason in worklist.reasons}


def _reasons(worklist: Worklist, rows: list[GivenReading]) -> None:
    cells = reasons_by_class(rows, _texts(worklist))
    if cells:
        note = "Of all readings of the class, the share that rejects for this reason; one reading may give several."
        st.html(section("Reasons by class", heat_table(cells), _csv(worklist, "reasons"), note))


def _gallery(worklist: Worklist, rows: list[GivenReading]) -> None:
    given = {code for row in rows for code in row.reasons}
    if not recent_rejects(rows, None, 1):
        return
    st.html(section("Recent rejects", ""))
    texts = _texts(worklist)
    codes = [code for code in texts if code in given]
    with st.container(key="reason-filter"):
        code = st.pills("Only those for", codes, format_func=lambda one: texts[one]) if codes else None
    rejects = recent_rejects(rows, code, CARDS)
    st.html(f'<div class="r-section">{gallery(current_project().store, rejects, texts)}</div>')


def _times(worklist: Worklist, rows: list[GivenReading]) -> None:
    bins = time_histogram(rows)
    if not bins:
        return
    body = (
        f'<div class="r-halves"><div><h3>Seconds per image</h3>{histogram(bins)}</div>'
        f"<div><h3>Median of each reader</h3>{reader_times(time_by_reader(rows))}</div></div>"
    )
    note = "Single readings of candidates and controls, idle time over a minute left out. Line: exact 95 % interval."
    st.html(section("Time per image", body, _csv(worklist, "times"), note))
