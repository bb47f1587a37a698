"""The page of measures: values beside their floors, spectra, membership inference, modes and the map."""

from html import escape
from typing import Any

import streamlit as st

from curation.check_names import scope_name
from curation.provenance.public_web import describe_backbone
from curation.tables.measures import SetMeasurement
from curation.withdrawal.affected_results import WithdrawnSubjects, measurements_on, withdrawn_subjects_note
from review_ui.context import current_project
from review_ui.markup.measure_drawings import map_figure, spectrum_figure
from review_ui.markup.measure_tables import (
    measure_tables,
    measures_without_value,
    membership_table,
    odds_tables,
    ratio_tables,
)
from review_ui.markup.pictures import marked_image
from review_ui.markup.plots import readable, section
from review_ui.security.permissions import Capability
from review_ui.views.parts import reader_who_can
from screening.report.measurements import list_measurements, medoid_files, outcomes_by

ALONE = "Nothing"
VALUES_NOTE = (
    "Filled: the set. Hollow: as many held-out real images in its place, what a perfect set would reach. Lines: 95 % "
    "intervals. Read the distance between the two points, not the value; beyond the hollow one is no better."
)
SPECTRA_NOTE = (
    "Coarse detail on the left, fine detail on the right: mean log power by cycles per image. Solid grey: real. "
    "Dashed blue: held-out real. Orange: the set. Below the grey line it is smoother than real images, above it "
    "noisier."
)
MEMBERSHIP_ASKS = "Do the generated images reveal whose images the generator was fitted on?"
MODES_NOTE = (
    "Modes: groups of real training images of a class that look alike, each with the real image at its centre. Points: "
    "share among kept images over share among real ones, log scale, 95 % intervals. The words allow for {looks} "
    "comparisons. Missed: surely under half as often as in real images; scarce: surely less often; ample: surely more "
    "often; even: surely between half and twice as often; unsure: too few images to say. Covered: real images with a "
    "generated one close by, and how many have a held-out real one."
)
BORROWED_NOTE = " A generated image has no {names} of its own: it takes that of the nearest real image of its class."
ODDS_NOTE = (
    "Odds of approval of each level against all others of its class (Mantel-Haenszel), log scale, 95 % intervals: one "
    "in twenty misses by chance. Unresolved and unread images are left out."
)
MAP_NOTE = (
    "Images that look alike to the network lie close together (t-SNE); large distances and the size of clusters mean "
    "nothing. Ring: real. Disc: approved. Cross: rejected. Plus: not settled. Dots: images of other classes."
)


def measures_page() -> None:
    """Show one measurement, and another beside it."""
    reader_who_can(Capability.SEE_RESULTS)
    with current_project().database.read() as session:
        rows = {row.id: row for row in list_measurements(session)}
        counts = measurements_on(session, WithdrawnSubjects.recorded())
        reached = {key: withdrawn_subjects_note(count) for key, count in counts.items()}
    if not rows:
        st.html(
            '<div class="rounds-empty"><h1>Nothing measured yet</h1>'
            "<p>Measure a set with <code>rounds measure run --images approved</code>; it appears here.</p></div>"
        )
        return
    titles = {key: _title(row, reached.get(key)) for key, row in rows.items()}
    with st.container(key="filters", horizontal=True):
        chosen = st.selectbox("Measurement", list(rows), format_func=lambda key: titles[key])
        others = [key for key in rows if key != chosen]
        beside = st.selectbox("Beside", [None, *others], format_func=lambda key: titles[key] if key else ALONE)
    row = rows[chosen]
    _facts(row, reached.get(chosen))
    csv = f"/rounds/exports/measurements/{row.id}/figures.csv"
    tables = measure_tables(row.result, rows[beside].result if beside else None)
    st.html(section("Against real images", f'<div class="r-multiples">{tables}</div>', csv, VALUES_NOTE, above=True))
    st.html(section("Spectra", spectrum_figure(row.result), note=SPECTRA_NOTE))
    _membership(row.result)
    _modes(row)
    odds = odds_tables(row.result["map"])
    if odds:
        st.html(section("Odds of being approved", f'<div class="r-multiples">{odds}</div>', note=ODDS_NOTE))


def _title(row: SetMeasurement, reached: str | None) -> str:
    title = f"{row.id}: {row.result['set']}, n {row.result['scopes'][0]['n']}, {row.request['backbone']}"
    return f"{title}, {reached}" if reached else title


def _facts(row: SetMeasurement, reached: str | None) -> None:
    result = row.result
    counts = ", ".join(f"{count} {name}" for name, count in result["images"].items())
    facts = [
        f"{counts}. Features: {describe_backbone(row.request)}, {result['dimension']} dimensions. Intervals: "
        f"{result['intervals']}. Outcomes by: {outcomes_by(result)}. Measured {row.created_at:%Y-%m-%d %H:%M} UTC."
    ]
    facts += [f"{readable(reason)}." for reason in measures_without_value(result)]
    facts += [f"{readable(scope_name(name))} is left out: {why}." for name, why in result["scopes_left_out"].items()]
    body = "".join(f'<p class="r-soft">{escape(fact)}</p>' for fact in facts)
    notices = [f"AFFECTED: it {reached}. Measure it again."] if reached else []
    notices += [result["notice"]] if result["notice"] else []
    notice = "".join(f'<p class="r-notice">{escape(line)}</p>' for line in notices)
    st.html(f'<div class="r-section r-facts">{body}{notice}</div>')


def _membership(result: dict[str, Any]) -> None:
    membership = result["membership"]
    sentence = escape(membership["sentence"])
    body = f'<p class="r-soft">{MEMBERSHIP_ASKS}</p><p>{sentence}</p>{membership_table(membership)}'
    note = ""
    if membership["said"]:
        note = (
            f"{membership['n']} subjects in each group, equal in classes; calibrated by {membership['reference']}. "
            "Without the generator the AUC must be 0.5. Share of members found where at most 1 % of the others are."
        )
    st.html(section("Membership inference", body, note=note))


def _modes(row: SetMeasurement) -> None:
    map_result = row.result["map"]
    modes = [mode for mode in map_result["representation"] if mode["grouping"] == "mode"]
    project = current_project()
    with project.database.read() as session:
        files = medoid_files(session, row.result)
    cards = "".join(
        f"<li>{_medoid(files.get(mode['level']))}<strong>{escape(readable(mode['level']))}"
        f'<em class="r-tag">{escape(mode["state"])}</em></strong><span>{mode["real"]["hits"]} real, '
        f"{mode['drawn']['hits']} drawn, {mode['kept']['hits']} {escape(map_result['kept_are'])}</span></li>"
        for mode in modes
    )
    figure = map_figure(map_result["points"])
    st.html(section("Where they lie", figure, note=MAP_NOTE) if figure else "")
    note = MODES_NOTE.format(looks=map_result["looks"])
    if map_result["borrowed"]:
        note += BORROWED_NOTE.format(names=" or ".join(map_result["borrowed"]))
    body = f'<ul class="r-gallery">{cards}</ul><div class="r-multiples r-after">{ratio_tables(map_result)}</div>'
    st.html(section("Real modes and subgroups", body, note=note))


def _medoid(digest: str | None) -> str:
    if digest is None:
        return '<p class="r-soft">withdrawn</p>'
    return marked_image(current_project().store.pixels(digest), "Real training image in the middle of the mode")
