"""Sets of images against real ones, as `rounds measure` stored it: values beside their floors, membership, the map."""

from html import escape
from typing import Any

import streamlit as st

from curation.check_names import scope_name
from curation.tables.measures import SetMeasurement
from curation.withdrawal.affected_results import WithdrawnSubjects, measurements_on, withdrawn_subjects_note
from review_ui.context import current_project
from review_ui.markup.measure_drawings import map_drawing, spectrum_drawing
from review_ui.markup.measure_tables import measure_tables, membership_table, not_given, odds_tables, ratio_tables
from review_ui.markup.pictures import marked_picture
from review_ui.markup.plots import readable, section
from review_ui.security.permissions import Capability
from review_ui.views.parts import reader_who_can
from screening.report.measurements import list_measurements, medoid_files, outcomes_by

ALONE = "Nothing"
VALUES_NOTE = (
    "Filled: the set. Hollow: as many real images, held out, in its place: what a perfect set would reach. Lines: 95 % "
    "intervals. Read how far the filled point lies from the hollow one, not the value; beyond it is no better."
)
SPECTRA_NOTE = (
    "Coarse detail on the left, fine detail on the right: mean log power by cycles per picture. Solid grey: real. "
    "Dashed blue: held-out real. Orange: the set. Below the grey line it is smoother than real images there, above it "
    "noisier."
)
MEMBERSHIP_ASKS = "Do the drawn images give away whose images the generator was fitted on?"
MODES_NOTE = (
    "Modes: groups of real training images of a class that look alike, each with the real image at its middle. Share "
    "among the kept by share among real images, on a log scale, 95 % each. The word is read at a level divided by "
    "{looks} looks: missed is surely under half as often as in real images, scarce surely less often, ample surely "
    "more often, even surely between half and twice as often; unsure, too few images to say. Covered: real images that "
    "have a drawn one close by, and how many have a held-out real one."
)
BORROWED_NOTE = " A drawn image has no {names} of its own: it counts as the nearest real training image of its class."
ODDS_NOTE = (
    "Odds of being approved, each level against all others of its class (Mantel-Haenszel), on a log scale, 95 % "
    "each: of twenty, one misses by chance. Unresolved and unread images are left out."
)
MAP_NOTE = (
    "Images that look alike to the network lie close together (t-SNE); far distances and the size of heaps mean "
    "nothing. Ring: real. Disc: approved. Cross: rejected. Plus: not settled. Dots: images of other classes."
)


def measures_page() -> None:
    """One measurement, and another beside it."""
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
    st.html(section("Spectra", spectrum_drawing(row.result), note=SPECTRA_NOTE))
    _membership(row.result)
    _modes(row)
    _curation(row.result)


def _title(row: SetMeasurement, reached: str | None) -> str:
    title = f"{row.id}: {row.result['set']}, n {row.result['scopes'][0]['n']}, {row.request['backbone']}"
    return f"{title}, {reached}" if reached else title


def _facts(row: SetMeasurement, reached: str | None) -> None:
    result = row.result
    counts = ", ".join(f"{count} {name}" for name, count in result["images"].items())
    facts = [
        f"{counts}. Features: {row.request['backbone']}, {result['dimension']} dimensions. Intervals: "
        f"{result['intervals']}. Outcomes by: {outcomes_by(result)}. Measured {row.created_at:%Y-%m-%d %H:%M} UTC."
    ]
    facts += [f"{readable(said)}." for said in not_given(result)]
    facts += [f"{readable(scope_name(name))} is left out: {why}." for name, why in result["scopes_left_out"].items()]
    body = "".join(f'<p class="r-soft">{escape(fact)}</p>' for fact in facts)
    notices = [f"AFFECTED: it {reached}. Measure it again."] if reached else []
    notices += [result["notice"]] if result["notice"] else []
    notice = "".join(f'<p class="r-notice">{escape(said)}</p>' for said in notices)
    st.html(f'<div class="r-section r-facts">{body}{notice}</div>')


def _membership(result: dict[str, Any]) -> None:
    found = result["membership"]
    body = f'<p class="r-soft">{MEMBERSHIP_ASKS}</p><p>{escape(found["sentence"])}</p>{membership_table(found)}'
    note = ""
    if found["said"]:
        note = (
            f"{found['n']} subjects in each group, equal in classes; calibrated by {found['reference']}. Without the "
            "generator the AUC must hold 0.5. Share of members found where at most 1 % of the others are."
        )
    st.html(section("Membership inference", body, note=note))


def _modes(row: SetMeasurement) -> None:
    found = row.result["map"]
    modes = [one for one in found["representation"] if one["grouping"] == "mode"]
    project = current_project()
    with project.database.read() as session:
        files = medoid_files(session, row.result)
    cards = "".join(
        f"<li>{_medoid(files.get(one['level']))}<strong>{escape(readable(one['level']))}"
        f'<em class="r-tag">{escape(one["state"])}</em></strong><span>{one["real"]["hits"]} real, '
        f"{one['drawn']['hits']} drawn, {one['kept']['hits']} {escape(found['kept_are'])}</span></li>"
        for one in modes
    )
    drawing = map_drawing(found["points"])
    st.html(section("Where they lie", drawing, note=MAP_NOTE) if drawing else "")
    note = MODES_NOTE.format(looks=found["looks"])
    if found["borrowed"]:
        note += BORROWED_NOTE.format(names=" or ".join(found["borrowed"]))
    body = f'<ul class="r-gallery">{cards}</ul><div class="r-multiples r-after">{ratio_tables(found)}</div>'
    st.html(section("Real modes and subgroups", body, note=note))


def _medoid(digest: str | None) -> str:
    if digest is None:
        return '<p class="r-soft">withdrawn</p>'
    return marked_picture(current_project().store.pixels(digest), "Real training image in the middle of the mode")


def _curation(result: dict[str, Any]) -> None:
    tables = odds_tables(result["map"])
    if tables:
        st.html(section("Odds of being approved", f'<div class="r-multiples">{tables}</div>', note=ODDS_NOTE))
