"""The review page: one component that fills the window and uses our routes, not Streamlit's."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import streamlit as st

from curation.reading.reading_list import list_readable_worklists
from review_ui.context import current_project, reader_or_stop
from review_ui.security.permissions import Capability

VIEWER = Path(__file__).parent.parent / "viewer"
STYLES = ("viewer.css", "panel.css", "dialogs.css", "grid.css", "narrow.css")
SCRIPTS = (
    "server.js",
    "outbox.js",
    "queue.js",
    "presets.js",
    "painting.js",
    "prepared.js",
    "stage.js",
    "marker.js",
    "pointer.js",
    "scale_bar.js",
    "clock.js",
    "sitting.js",
    "strip.js",
    "draft.js",
    "extras.js",
    "telling.js",
    "references.js",
    "tabs.js",
    "theme.js",
    "panel.js",
    "keys.js",
    "page_memory.js",
    "captions.js",
    "tiles.js",
    "grid_side.js",
    "marked_page.js",
    "grid.js",
    "room.js",
    "tools.js",
    "viewer.js",
)
WAIT_S = 3


def _read(name: str) -> str:
    return (VIEWER / name).read_text()


# Registered once per process: a component must not be defined again on each rerun.
_viewer = st.components.v2.component(
    "rounds_viewer", html=_read("viewer.html"), css="\n".join(map(_read, STYLES)), js="\n".join(map(_read, SCRIPTS))
)


def review_page() -> None:
    """Show the viewer with the worklists that this reader may read now, newest first."""
    worklists = _worklists(active=True)
    if worklists:
        _viewer(key="viewer", data={"worklists": worklists})
    else:
        _wait_for_worklist()


def _worklists(active: bool) -> list[dict[str, Any]]:
    reader = reader_or_stop(active)
    with current_project().database.read() as session:
        worklists = list_readable_worklists(session, reader.reader_id, reader.can(Capability.ADJUDICATE))
    return [{**asdict(worklist), "modes": list(worklist.modes)} for worklist in worklists]


@st.fragment(run_every=WAIT_S)
def _wait_for_worklist() -> None:
    if _worklists(active=False):
        st.rerun()
    st.html(
        '<div class="rounds-empty"><h1>Nothing to read yet</h1>'
        "<p>A worklist appears here as soon as one is open to you. "
        "Whoever organises the reading makes one with <code>rounds worklist create NAME</code>.</p></div>"
    )
