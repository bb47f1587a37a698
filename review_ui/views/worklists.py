"""The page of worklists: make, pause, resume and close them, release images, choose readers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import RoundsError
from curation.progress import silent
from curation.reading.outcomes import recompute_outcomes
from curation.reading.recipe import WorklistRecipe
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Worklist, WorklistKind
from curation.worklists.create import close_worklist, create_worklist
from curation.worklists.manage import (
    RULES,
    change_rule,
    pause_worklist,
    readers_of,
    release_leases,
    resume_worklist,
    set_readers,
)
from curation.worklists.plant import count_images_for_controls, plant_for_worklist
from curation.worklists.recipe import EVIDENCE, should_deal_out
from curation.worklists.summaries import list_worklists
from curation.worklists.vocabulary import list_vocabularies
from review_ui.asgi import utc_now
from review_ui.context import current_project
from review_ui.markup.overview import worklist_line
from review_ui.markup.plots import section
from review_ui.security.permissions import Capability
from review_ui.security.sessions import SignedInReader
from review_ui.views.parts import reader_who_can, run_action

PLAIN: dict[str, Any] = {name: WorklistRecipe.model_fields[name].default for name in EVIDENCE}
ORDERS = ("random", "batch", "flags", "priority")
MODALITIES = ("general", "mr", "ct", "xray", "ultrasound", "histology")


def worklists_page() -> None:
    """Show all worklists with their actions, then the form for another."""
    reader_who_can(Capability.MANAGE)
    with current_project().database.read() as session:
        summaries = {row.name: row for row in list_worklists(session)}
        counted = select(Worklist).where(Worklist.kind != WorklistKind.PRACTICE)
        rows = session.scalars(counted.order_by(Worklist.id.desc())).all()
        is_person = (Reader.kind == ReaderKind.HUMAN, Reader.active)
        people = list(session.scalars(select(Reader.name).where(*is_person).order_by(Reader.name)))
        names = {row.id: row.name for row in session.scalars(select(Reader))}
        allowed = {row.id: [names[reader] for reader in readers_of(session, row.id)] for row in rows}
        vocabularies = [row.name for row in list_vocabularies(session)]
    st.html(section("Worklists", "" if rows else "<p class='r-soft'>None yet: make the first below.</p>"))
    with st.container(key="worklists", gap=None):
        for row in rows:
            _worklist(row, worklist_line(row, summaries[row.name]), allowed[row.id], people)
    _form(people, vocabularies)


def _worklist(row: Worklist, line: str, allowed: list[str], people: list[str]) -> None:
    summary, more = st.columns([8, 2], vertical_alignment="center")
    summary.html(line)
    if row.closed_at is not None:
        return
    with more.popover("Manage", width="stretch"):
        if row.paused_at is None:
            if st.button("Pause", key=f"pause-{row.id}", width="stretch"):
                _change(pause_worklist, row.name)
        elif st.button("Resume", key=f"resume-{row.id}", width="stretch"):
            _change(resume_worklist, row.name)
        if st.button("Give held images back", key=f"reassign-{row.id}", width="stretch"):
            _change(release_leases, row.name)
        if row.kind is not WorklistKind.PRACTICE:
            readers = st.multiselect(
                "Who may read", sorted({*people, *allowed}), allowed, key=f"readers-{row.id}", placeholder="Everybody"
            )
            if st.button("Save who may read", key=f"save-{row.id}", width="stretch"):
                _change(partial(set_readers, readers=readers), row.name)
        if row.kind is WorklistKind.VERDICT:
            _rule(row)
        sure = st.checkbox("Reading ends for good", key=f"sure-{row.id}")
        if st.button("Close", key=f"close-{row.id}", width="stretch", disabled=not sure):
            _change(_close, row.name)


def _rule(row: Worklist) -> None:
    kind = st.selectbox("Rule", RULES, RULES.index(str(row.rule["kind"])), key=f"rule-{row.id}")
    readers = int(st.number_input("Readers per image", 1, 5, int(row.rule["readers"]), key=f"of-{row.id}"))
    sure = st.checkbox("Outcomes are settled anew", key=f"anew-{row.id}")
    same = (kind, readers) == (row.rule["kind"], row.rule["readers"])
    if st.button("Change the rule", key=f"change-{row.id}", width="stretch", disabled=same or not sure):
        _change(partial(change_rule, kind=kind, readers=readers), row.name)


def _close(session: Session, chain: Any, now: Any, name: str) -> None:
    recompute_outcomes(session, close_worklist(session, chain, now, name).id)


def _change(action: Callable[..., Any], name: str) -> None:
    def do(session: Session, reader: SignedInReader) -> bool:
        action(session, current_project().chain, utc_now(), name)
        return True

    if run_action(Capability.MANAGE, do):
        current_project().anchor()
        st.rerun()


def _form(people: list[str], vocabularies: list[str]) -> None:
    st.html(section("Another worklist", ""))
    with st.container(key="page-form"):
        preset = st.segmented_control("Made for", ["Sorting", "Evidence"], default="Sorting", required=True)
        basis = EVIDENCE if preset == "Evidence" else PLAIN
        _show_control_limit(basis["real_controls"] + basis["defect_controls"])
        with st.form(f"worklist-{preset}", border=False):
            values = _fields(basis, people, vocabularies)
            if st.form_submit_button("Make the worklist", type="primary"):
                _create(values)


def _show_control_limit(asked: int) -> None:
    """Say how many controls there can be, and whether the preset asks for more."""
    try:
        with current_project().database.read() as session:
            available = count_images_for_controls(session, WorklistRecipe(name="next", again=True))
    except RoundsError as error:
        st.warning(str(error))
        return
    sentence = (
        f"{available} real validation images look like the images to be read. Real controls and planted defects take "
        f"one each, so both together can be {available} at most."
    )
    if asked > available:
        st.warning(f"{sentence} This preset asks for {asked}: lower the two numbers, or import more real images.")
    else:
        st.html(f'<p class="r-soft">{sentence}</p>')


def _fields(basis: dict[str, Any], people: list[str], vocabularies: list[str]) -> dict[str, Any]:
    first, second, third = st.columns(3)
    values: dict[str, Any] = {
        "name": first.text_input("Name", max_chars=100).strip(),
        "vocabulary": second.selectbox("Reasons", vocabularies),
        "modality": third.selectbox("Window presets", MODALITIES),
        "rule": first.selectbox("Rule", RULES, RULES.index(basis["rule"])),
        "readers_per_image": int(second.number_input("Readers per image", 1, 5, basis["readers_per_image"])),
        "order": third.selectbox("Order", ORDERS, ORDERS.index(basis["order"])),
        "real_controls": int(first.number_input("Real controls", 0, 1000, basis["real_controls"])),
        "defect_controls": int(second.number_input("Planted defects", 0, 1000, basis["defect_controls"])),
        "repeat_share": third.number_input("Repeated, %", 0, 50, round(100 * basis["repeat_share"])) / 100,
        "practice": int(first.number_input("Practice images", 0, 200, basis["practice"])),
        "limit": int(second.number_input("Images at most, 0 for all", 0, 1_000_000, 0)) or None,
        "seed": int(third.number_input("Seed", 0, 2**31, 0)),
        "readers": tuple(st.multiselect("Who may read", people, placeholder="Everybody")),
    }
    switches = st.columns(5)
    values["label_shown"] = switches[0].checkbox("Show the class", basis["label_shown"])
    values["grid"] = switches[1].checkbox("Offer the grid", basis["grid"])
    values["ratings"] = switches[2].checkbox("Ask for ratings", help="Anatomy, typicality and quality, 1 to 5 each.")
    settled = "Also images that an earlier worklist has settled."
    values["again"] = switches[3].checkbox("Settled images again", help=settled)
    deal_out = switches[4].checkbox(
        "Deal out shares",
        basis is EVIDENCE,
        help="Every reader named above gets a fixed share of the images; otherwise whoever comes next takes the next.",
    )
    more = should_deal_out(len(values["readers"]), values["readers_per_image"])
    values["shares"] = "allotted" if deal_out and (more or basis is not EVIDENCE) else "pooled"
    return values


def _create(values: dict[str, Any]) -> None:
    reader_who_can(Capability.MANAGE)
    project = current_project()
    try:
        recipe = WorklistRecipe.checked(**values)
        with st.spinner("Planting defects and dealing out the images"):
            # Many short transactions: every image is stored before its row, and none is held open meanwhile.
            plant_for_worklist(project.database, project.store, utc_now(), recipe, silent)
    except RoundsError as error:
        st.error(str(error))
        return

    def make(session: Session, reader: SignedInReader) -> int:
        return create_worklist(session, project.chain, utc_now(), recipe).size

    size = run_action(Capability.MANAGE, make)
    if size is not None:
        st.toast(f"Made the worklist {recipe.name}: {size} images.")
        st.rerun()
