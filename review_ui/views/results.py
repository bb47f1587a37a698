"""The page of results: acceptance, reasons, rejects, times, and screening against readers."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from curation.estimates import Estimate
from curation.provenance.withdrawn import still_here
from curation.tables.people import ReaderKind
from curation.tables.reading import Worklist, WorklistKind
from review_ui.context import current_project
from review_ui.figures.acceptance import DEFINITION, TURING_DEFINITION
from review_ui.figures.readings import GivenReading
from review_ui.figures.reasons import recent_rejects
from review_ui.figures.results import ResultFigures, State, result_figures, state_of_results
from review_ui.markup.pictures import gallery
from review_ui.markup.plots import dot_plot, heat_table, histogram, reader_times, screening_table, section
from review_ui.security.permissions import Capability
from review_ui.views.parts import choose_worklist, reader_who_can

KINDS = {"People": ReaderKind.HUMAN, "Proxies (models)": ReaderKind.PROXY}
CARDS = 24
ACCEPTANCE_NOTE = f"{DEFINITION} Readings of whole pages of the grid stand below, apart."
TURING_NOTE = f"{TURING_DEFINITION} The page Agreement has the AUC."
SCREENING_NOTE = "Among readings of candidates. The dots of a check that finds what readers reject are far apart."
GRID_NOTE = "Verdicts given for a whole page: not used for agreement, d-prime or claims."


def results_page() -> None:
    """Show every figure of a worklist, for people or for proxies."""
    reader_who_can(Capability.SEE_RESULTS)
    with st.container(key="filters", horizontal=True):
        worklist = choose_worklist()
        if worklist is None:
            return
        kind = st.segmented_control("Read by", list(KINDS), default="People", required=True)
    with current_project().database.read() as session:
        state = state_of_results(session, worklist.id)
    figures = _figures(str(current_project().root), worklist.id, KINDS[str(kind)].value, state)
    if worklist.notice:
        st.html(f'<div class="r-section r-facts"><p class="r-notice">{escape(worklist.notice)}</p></div>')
    if not figures.readings:
        st.html(section("Nothing read yet", "", note=f"No reading of {worklist.name} by {str(kind).lower()} stands."))
        return
    if worklist.kind is WorklistKind.TURING:
        _acceptance(worklist, "Synthetic, taken for real", figures.accepted, TURING_NOTE)
    else:
        _acceptance(worklist, "Accepted", figures.accepted, ACCEPTANCE_NOTE)
    _reasons(worklist, figures)
    _gallery(worklist, figures.rejects)
    _times(worklist, figures)
    if figures.screening:
        table, link = screening_table(figures.screening), _csv(worklist, "screening")
        features = f" Features: {', '.join(figures.screened_with)}." if figures.screened_with else ""
        st.html(section("Screening against readers", table, link, SCREENING_NOTE + features))
    _acceptance(worklist, "Accepted in the grid", figures.accepted_in_grid, GRID_NOTE)


@st.cache_resource(max_entries=16, show_spinner=False)
def _figures(root: str, worklist_id: int, kind: str, state: State) -> ResultFigures:
    """Count the figures once for each state of the readings."""
    with current_project().database.read() as session:
        return result_figures(session, session.get_one(Worklist, worklist_id), ReaderKind(kind))


def _csv(worklist: Worklist, figure: str) -> str:
    return f"/rounds/exports/worklists/{worklist.id}/{figure}.csv"


def _acceptance(worklist: Worklist, title: str, figures: dict[str, dict[str, Estimate]], note: str) -> None:
    if figures:
        titles = {dimension: f"By {dimension}" for dimension in figures} | {"steps": "By sampler steps"}
        plots = "".join(dot_plot(titles[dimension], shares) for dimension, shares in figures.items())
        st.html(section(title, f'<div class="r-multiples">{plots}</div>', _csv(worklist, "acceptance"), note))


def _reasons(worklist: Worklist, figures: ResultFigures) -> None:
    if figures.reasons:
        note = "Share of all readings of the class that reject for this reason; one reading may give several."
        st.html(section("Reasons by class", heat_table(figures.reasons), _csv(worklist, "reasons"), note))


def _gallery(worklist: Worklist, rows: Sequence[GivenReading]) -> None:
    used_codes = {code for row in rows for code in row.reasons}
    with current_project().database.read() as session:
        shown = still_here(session, (row.image_id for row in rows))
    rows = [row for row in rows if row.image_id in shown]
    if not rows:
        return
    st.html(section("Recent rejects", ""))
    texts = {reason["code"]: reason["text"] for reason in worklist.reasons}
    codes = [code for code in texts if code in used_codes]
    with st.container(key="reason-filter"):
        code = st.pills("Only those for", codes, format_func=lambda code: texts[code]) if codes else None
    rejects = recent_rejects(rows, code, CARDS)
    st.html(f'<div class="r-section">{gallery(current_project().store, rejects, texts)}</div>')


def _times(worklist: Worklist, figures: ResultFigures) -> None:
    if not figures.histogram:
        return
    body = (
        f'<div class="r-halves"><div><h3>Seconds per image</h3>{histogram(figures.histogram)}</div>'
        f"<div><h3>Median of each reader</h3>{reader_times(figures.times)}</div></div>"
    )
    note = "Single readings of candidates and controls, idle time over a minute left out. Line: exact 95 % interval."
    st.html(section("Time per image", body, _csv(worklist, "times"), note))
