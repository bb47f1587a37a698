"""The page of snapshots: the list, stale ones, and a preview of a recipe; a command builds them."""

from typing import Any

import streamlit as st
from sqlalchemy import select

from curation.errors import RoundsError
from curation.snapshots.mix import MixRecipe
from curation.snapshots.preview import preview_snapshot
from curation.snapshots.stale import SnapshotSummary, list_snapshots
from curation.tables.images import Label
from curation.tables.reading import Worklist, WorklistKind
from review_ui.context import current_project
from review_ui.markup.plots import section
from review_ui.markup.snapshots import preview_sections, snapshot_table
from review_ui.security.permissions import Capability
from review_ui.views.parts import reader_who_can

KEPT_S = 30
SYNTHETIC = ("approved", "raw", "random", "none")
BALANCE = {"none": "As they come", "cap": "As many of each", "weights": "Equal weight"}


def snapshots_page() -> None:
    """Show the list, a form for a preview, and the preview."""
    reader_who_can(Capability.MANAGE)
    st.html(snapshot_table(_snapshots(str(current_project().root))))
    st.html(section("Preview a mix", "", note="Nothing is written. The command that builds it appears under the form."))
    with current_project().database.read() as session:
        classes = list(session.scalars(select(Label.name).order_by(Label.name)))
        counted = select(Worklist.name).where(Worklist.kind == WorklistKind.VERDICT).order_by(Worklist.id.desc())
        worklists = list(session.scalars(counted))
    with st.container(key="page-form"):
        with st.form("preview", border=False):
            values = _choices(classes, worklists)
            asked = st.form_submit_button("Preview", type="primary")
        if not asked:
            return
        st.code(_command(values), language=None)
        try:
            with current_project().database.read() as session:
                preview = preview_snapshot(session, MixRecipe.checked(**values))
        except RoundsError as error:
            st.error(str(error))
            return
    st.html(preview_sections(preview))


@st.cache_data(ttl=KEPT_S, show_spinner=False)
def _snapshots(root: str) -> list[SnapshotSummary]:
    """List snapshots, kept for half a minute: finding stale ones walks over all outcomes."""
    with current_project().database.read() as session:
        return list_snapshots(session)


def _choices(classes: list[str], worklists: list[str]) -> dict[str, Any]:
    """The choices of the form that differ from the defaults."""
    left, right = st.columns(2)
    synthetic = left.selectbox("Synthetic images", SYNTHETIC)
    balance = right.selectbox("Balance of classes", list(BALANCE), format_func=lambda name: BALANCE[name])
    chosen = left.multiselect("Classes", classes, placeholder="All")
    counted = right.multiselect("Worklists that count", worklists, placeholder="All")
    ratio = left.number_input("Added images per real one, at most", 0.0, None, 0.0, 0.1, help="0: no limit")
    agreement = right.number_input("Agreement of two readings or more", 0.0, 1.0, 0.0, 0.05, help="0: not asked for")
    people = left.checkbox("Leave out what only models read")
    singly = right.checkbox("Leave out what was read in pages")
    values: dict[str, Any] = {"synthetic": synthetic, "balance": balance}
    values |= {"classes": tuple(chosen), "worklists": tuple(counted)}
    values |= {"max_ratio": ratio or None, "min_agreement": agreement or None}
    values |= {"allow_proxy": not people, "allow_grid": not singly}
    default = MixRecipe()
    return {name: value for name, value in values.items() if value != getattr(default, name)}


def _command(values: dict[str, Any]) -> str:
    """The command that builds the snapshot of the form."""
    words = ["rounds snapshot build NAME"]
    flags = {"allow_proxy": "--no-proxy", "allow_grid": "--no-grid"}
    several = {"classes": "--class", "worklists": "--worklist"}
    for name, value in values.items():
        if name in flags:
            words.append(flags[name])
        elif name in several:
            words += [f'{several[name]} "{choice}"' for choice in value]
        else:
            words.append(f"--{name.replace('_', '-')} {value:g}" if isinstance(value, float) else f"--{name} {value}")
    return " ".join(words)
