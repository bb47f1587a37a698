"""The form for a worklist: every choice of `rounds worklist create`, none that cannot be built."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import streamlit as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import RoundsError
from curation.progress import silent
from curation.queries import newest_screenings
from curation.reading.recipe import WorklistRecipe
from curation.tables.generation import Screening
from curation.worklists.create import create_worklist
from curation.worklists.limits import Limits, find_fault, limits_of
from curation.worklists.manage import RULES
from curation.worklists.plant import plant_for_worklist
from curation.worklists.recipe import EVIDENCE, should_deal_out
from review_ui.asgi import utc_now
from review_ui.context import current_project
from review_ui.markup.plots import section
from review_ui.security.permissions import Capability
from review_ui.security.sessions import SignedInReader
from review_ui.views.parts import reader_who_can, run_action

SORTING, STUDY, TURING = "Sorting", "Evidence", "Turing test"
MEANS = {
    SORTING: "Candidates are accepted or rejected, one by one or in whole pages.",
    STUDY: "A reader study: blind to the class, two readers, controls, repeats, practice; rules fixed beforehand.",
    TURING: "Real and synthetic images are told apart in six steps of confidence. Everybody reads every image.",
}
PLAIN: dict[str, Any] = {name: WorklistRecipe.model_fields[name].default for name in EVIDENCE}
BASIS: dict[str, dict[str, Any]] = {
    SORTING: PLAIN,
    STUDY: EVIDENCE,
    TURING: PLAIN | {"grid": False, "real_controls": 50},
}
ORDERS = ("random", "batch", "flags", "priority")
MODALITIES = ("general", "mr", "ct", "xray", "ultrasound", "histology")
COUNTED_FOR = timedelta(seconds=15)


def worklist_form(people: Sequence[str], vocabularies: Sequence[str]) -> None:
    """Ask for a worklist of `people`, who may read, with reasons of one of the `vocabularies`."""
    st.html(section("Another worklist", ""))
    with st.container(key="page-form"):
        made_for = str(st.segmented_control("Made for", list(MEANS), default=SORTING, required=True))
        st.html(f'<p class="r-soft">{MEANS[made_for]}</p>')
        values = _candidates()
        limits = _limits(str(current_project().root), WorklistRecipe(name="next", **values).model_dump_json())
        if not limits.candidates:
            st.warning("No screened candidates wait to be read. Draw and screen some, or take settled images again.")
            return
        st.html(f'<p class="r-soft">{_facts(limits)}</p>')
        values |= _reading(made_for, people, vocabularies)
        values |= _known_truth(made_for, limits)
        values |= _switches(made_for, values)
        values["exclusion"] = _exclusion(made_for, values)
        _submit(made_for, values, limits)


@st.cache_data(ttl=COUNTED_FOR, max_entries=32, show_spinner=False)
def _limits(root: str, recipe: str) -> Limits:
    """Count what there is for the candidates of a recipe, kept while other fields are filled in."""
    with current_project().database.read() as session:
        return limits_of(session, WorklistRecipe.model_validate_json(recipe))


def _facts(limits: Limits) -> str:
    if limits.why_no_controls:
        return f"{limits.candidates} candidates. No controls and no practice: {limits.why_no_controls}"
    return (
        f"{limits.candidates} candidates. {limits.controls} real validation images look like the images to be read. "
        f"Real controls and planted defects take one each, so both together can be {limits.controls} at most. "
        f"{limits.practice} training images can serve as practice. Screening blocked {limits.audits} images that "
        "readers may see."
    )


def _candidates() -> dict[str, Any]:
    with current_project().database.read() as session:
        latest = Screening.id.in_(newest_screenings())
        batches = session.scalars(select(Screening.batch_id).where(latest).order_by(Screening.batch_id)).all()
    first, second, third = st.columns(3)
    chosen = first.multiselect("Batches", batches, placeholder="Every screened batch", format_func="batch {}".format)
    limit = int(second.number_input("Images at most, 0 for all", 0, 1_000_000, 0)) or None
    seed = int(third.number_input("Seed", 0, 2**31, 0))
    switches = st.columns(3)
    passed = switches[0].checkbox("Leave out what screening flagged")
    settled = "Also images that an earlier worklist has settled."
    again = switches[1].checkbox("Settled images again", help=settled)
    include = ("pass",) if passed else ("pass", "flag")
    return {"batches": tuple(chosen), "limit": limit, "seed": seed, "include": include, "again": again}


def _reading(made_for: str, people: Sequence[str], vocabularies: Sequence[str]) -> dict[str, Any]:
    basis = BASIS[made_for]
    first, second, third = st.columns(3)
    values: dict[str, Any] = {
        "name": first.text_input("Name", max_chars=100).strip(),
        "kind": "turing" if made_for == TURING else "verdict",
        "modality": second.selectbox("Window presets", MODALITIES),
        "order": third.selectbox("Order", ORDERS, ORDERS.index(basis["order"])),
    }
    if made_for != TURING:
        values["vocabulary"] = first.selectbox("Reasons", vocabularies)
        values["readers_per_image"] = int(second.number_input("Readers per image", 1, 5, basis["readers_per_image"]))
        rules = [rule for rule in RULES if (rule == "single") == (values["readers_per_image"] == 1)]
        preset = rules.index(basis["rule"]) if basis["rule"] in rules else 0
        values["rule"] = third.selectbox("Rule", rules, preset)
    values["readers"] = tuple(st.multiselect("Who may read", people, placeholder="Everybody"))
    first, second = st.columns([2, 1])
    values["question"] = first.text_input("Question", max_chars=500, placeholder="The usual one").strip() or None
    minutes = second.number_input("Minutes an image stays with a reader", 1, 1440, 10)
    return values | {"lease_s": 60 * int(minutes)}


def _known_truth(made_for: str, limits: Limits) -> dict[str, Any]:
    """Ask for images of known truth and for images read again, each only where there are any."""
    basis = BASIS[made_for]
    first, second, third = st.columns(3)
    values: dict[str, Any] = {}
    if limits.controls:
        half = limits.controls // 2 if basis["defect_controls"] else limits.controls
        least = 1 if made_for == TURING else 0
        real = min(basis["real_controls"], max(half, least))
        values["real_controls"] = int(first.number_input("Real controls", least, limits.controls, real))
    if limits.controls and made_for != TURING:
        defects = min(basis["defect_controls"], limits.controls // 2)
        values["defect_controls"] = int(second.number_input("Planted defects", 0, limits.controls, defects))
    if limits.practice and made_for != TURING:
        most = min(200, limits.practice)
        practice = min(basis["practice"], most)
        values["practice"] = int(third.number_input("Practice images", 0, most, practice))
    first, second, third = st.columns(3)
    values["repeat_share"] = first.number_input("Repeated, %", 0, 50, round(100 * basis["repeat_share"])) / 100
    if limits.audits and made_for != TURING:
        share = second.number_input("Of what screening blocked, read as an audit, %", 0, 100, 0)
        values["gate_audit_share"] = share / 100
    if made_for == TURING:
        margin = second.number_input("Called alike below this AUC", 0.51, 0.99, None, 0.01, placeholder="No margin")
        values["margin"] = margin
    return values


def _switches(made_for: str, values: dict[str, Any]) -> dict[str, Any]:
    basis = BASIS[made_for]
    columns = st.columns(4)
    switches: dict[str, Any] = {"label_shown": columns[0].checkbox("Show the class", basis["label_shown"])}
    if made_for == TURING:
        return switches | {"grid": False}
    switches["ratings"] = columns[1].checkbox("Ask for ratings", help="Anatomy, typicality and quality, 1 to 5 each.")
    switches["grid"] = switches["label_shown"] and columns[2].checkbox("Offer the grid", basis["grid"])
    if values["readers"]:
        helps = "Every reader named above gets a fixed share; otherwise whoever comes next takes the next."
        more = made_for == STUDY and should_deal_out(len(values["readers"]), values["readers_per_image"])
        switches["shares"] = "allotted" if columns[3].checkbox("Deal out shares", more, help=helps) else "pooled"
    if switches["grid"]:
        audited = st.number_input("Of images left unmarked in a page, read singly too, %", 0, 100, 10)
        switches["grid_audit_share"] = audited / 100
    return switches


def _exclusion(made_for: str, values: dict[str, Any]) -> dict[str, Any]:
    """Ask for the exclusion rules that this worklist can measure; an empty field is no rule."""
    reals = values.get("real_controls") and made_for != TURING
    rules = (
        ("min_sensitivity", "Rejects fewer of the planted defects than, %", values.get("defect_controls"), 100),
        ("max_false_rejects", "Rejects more of the real controls than, %", reals, 100),
        ("min_repeat_agreement", "Reads fewer of the repeats alike than, %", values["repeat_share"], 100),
        ("min_median_ms", "Takes less time for an image than, ms (median)", True, 60_000),
    )
    measured = [rule for rule in rules if rule[2]]
    st.html(
        '<p class="r-soft">Leave a reader out of the evidence who … These rules are fixed before anybody reads. They '
        "take a reader out of agreement and performance, not out of outcomes.</p>"
    )
    exclusion: dict[str, Any] = {}
    for column, (name, words, _, most) in zip(st.columns(len(measured)), measured, strict=True):
        limit = column.number_input(words, 0, most, None, placeholder="No rule")
        if limit is not None:
            exclusion[name] = int(limit) if name == "min_median_ms" else limit / 100
    return exclusion


def _submit(made_for: str, values: dict[str, Any], limits: Limits) -> None:
    recipe = WorklistRecipe.checked(**values | {"name": values["name"] or "next"})
    with current_project().database.read() as session:
        fault = find_fault(session, recipe, limits)
    if fault is not None:
        st.warning(fault[:1].upper() + fault[1:])
    asked = BASIS[made_for]["real_controls"] + BASIS[made_for]["defect_controls"]
    if fault is None and asked > limits.controls:
        st.html(f'<p class="r-soft">{made_for} asks for {asked} controls; the form begins with what there is.</p>')
    why = None if values["name"] else "Give it a name first."
    disabled = fault is not None or not values["name"]
    if st.button("Make the worklist", type="primary", disabled=disabled, help=why):
        _create(recipe)


def _create(recipe: WorklistRecipe) -> None:
    reader_who_can(Capability.MANAGE)
    project = current_project()
    try:
        with st.spinner("Planting defects and dealing out the images"):
            # Many short transactions: every image is stored before its row, and none is held open meanwhile.
            plant_for_worklist(project.database, project.store, project.chain, utc_now(), recipe, silent)
    except RoundsError as error:
        st.error(str(error))
        return

    def make(session: Session, reader: SignedInReader) -> int:
        return create_worklist(session, project.chain, utc_now(), recipe).size

    size = run_action(Capability.MANAGE, make)
    if size is not None:
        st.toast(f"Made the worklist {recipe.name}: {size} images.")
        st.rerun()
