"""The page of screening: verdicts of a batch, each check beside real images, and error rates.

Figures only: a blocked image may be a patient's, and whoever manages batches may read as well.
"""

from html import escape

import streamlit as st

from curation.provenance.public_web import describe_backbone
from curation.withdrawal.affected_results import withdrawn_subjects_note
from review_ui.context import current_project
from review_ui.markup.plots import section
from review_ui.security.permissions import Capability
from review_ui.views.parts import reader_who_can
from screening.report.figures import ScreeningFigures, notices, screened_batches, screening_figures
from screening.report.plots import class_table, distribution, rates_table, reliability_table
from screening.report.rates import checks_of, newest_report, rates_of, withdrawn_behind
from screening.report.words import PLOTS_MEAN, describe_probe, screening_basis

PLOTS_NOTE = f"{PLOTS_MEAN} Images are in the report that the command “rounds screening report” writes."
PROBE_NOTE = (
    "The probe is a small classifier, trained on real images, of the class that an image shows. A line has the "
    "held-out real images of which it was about equally sure; a reliable probe is right as often as it is sure."
)
RATES_NOTE = (
    "On held-out real images, each under thresholds set without images of its subject. Caught: flagged or blocked by "
    "any check, with the exact 95 % interval (Clopper-Pearson); then what each check alone catches, in percent. A "
    "fault that is caught only as often as untouched images are flagged is not detected."
)


def screening_page() -> None:
    """Show the newest screening of a batch, then the newest error rates of the checks."""
    reader_who_can(Capability.MANAGE)
    with current_project().database.read() as session:
        screened = screened_batches(session)
        lines = notices(session)
    if not screened:
        words = "What the checks find appears here."
        st.html(f'<div class="rounds-empty"><h1>No batch screened yet</h1><p>{words}</p></div>')
        return
    names = {screening_id: f"Batch {batch_id}, {generator}" for screening_id, batch_id, generator in screened}
    with st.container(key="filters", horizontal=True):
        chosen = st.selectbox("Batch", list(names), format_func=lambda key: names[key])
    for notice in lines:
        st.html(f'<div class="r-section r-facts"><p class="r-notice">{escape(notice)}</p></div>')
    figures = _figures(str(current_project().root), chosen)
    st.html(section("Verdicts by class", class_table(figures), _csv(figures, "verdicts")))
    facts = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(what)}</td></tr>" for name, what in screening_basis(figures.parameters)
    )
    st.html(section("What it rests on", f'<table class="r-table">{facts}</table>'))
    plots = f'<div class="r-thirds">{"".join(distribution(check) for check in figures.checks)}</div>'
    st.html(section("Checks", plots, _csv(figures, "distributions"), PLOTS_NOTE, above=True))
    _probe(figures)
    _rates()


@st.cache_resource(max_entries=16, show_spinner=False)
def _figures(root: str, screening_id: int) -> ScreeningFigures:
    """Count the figures of a screening once, since it never changes."""
    with current_project().database.read() as session:
        return screening_figures(session, screening_id)


def _csv(figures: ScreeningFigures, figure: str) -> str:
    return f"/rounds/exports/screenings/{figures.screening_id}/{figure}.csv"


def _probe(figures: ScreeningFigures) -> None:
    probe = figures.parameters.get("label_probe")
    if probe is None:
        return
    held_out = probe.get("on_validation")
    table = reliability_table(held_out["bins"]) if held_out else ""
    body = f'<p class="r-soft">{escape(describe_probe(probe))}</p>{table}'
    st.html(section("Label probe", body, note=PROBE_NOTE if table else ""))


def _rates() -> None:
    with current_project().database.read() as session:
        report = newest_report(session)
        reached = withdrawn_subjects_note(withdrawn_behind(session, report))
    if report is None:
        words = "Not measured yet. Run <code>rounds screening error-rates</code>."
        st.html(section("How often the checks err", f'<p class="r-soft">{words}</p>'))
        return
    table = rates_table(rates_of(report.result), checks_of(report.result))
    measured = f"Measured {report.created_at:%Y-%m-%d} with {describe_backbone(report.parameters)}. "
    link = f"/rounds/exports/error-rates/{report.id}.csv"
    notice = f'<p class="r-notice">AFFECTED: this report {escape(reached)}. Measure again.</p>' if reached else ""
    body = f'<div class="r-wide-table">{table}</div>{notice}'
    st.html(section("How often the checks err", body, link, measured + RATES_NOTE))
