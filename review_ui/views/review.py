"""The review page: one component that fills the window and talks to our routes, not to Streamlit."""

from pathlib import Path
from typing import Any

import streamlit as st
from sqlalchemy import select

from curation.models.images import BuildStatus
from curation.models.reading import Worklist
from review_ui.context import current_project, reader_or_stop

VIEWER = Path(__file__).parent.parent / "viewer"
SCRIPTS = ("server.js", "outbox.js", "queue.js", "stage.js", "sitting.js", "panel.js", "viewer.js")
WAIT_S = 3


def _read(name: str) -> str:
    return (VIEWER / name).read_text()


# Registered once per process: a component must not be defined again on each rerun.
_viewer = st.components.v2.component(
    "rounds_viewer", html=_read("viewer.html"), css=_read("viewer.css"), js="\n".join(map(_read, SCRIPTS))
)


def review_page() -> None:
    """Read the open worklists, newest first."""
    worklists = _open_worklists()
    if worklists:
        _viewer(key="viewer", data={"worklists": worklists})
    else:
        _wait_for_worklist()


def _open_worklists() -> list[dict[str, Any]]:
    open_ones = (
        select(Worklist)
        .where(Worklist.status == BuildStatus.READY, Worklist.closed_at.is_(None))
        .order_by(Worklist.id.desc())
    )
    with current_project().database.read() as session:
        return [
            {
                "id": worklist.id,
                "name": worklist.name,
                "question": worklist.question,
                "label_shown": worklist.label_shown,
                "classes": worklist.classes,
                "reasons": worklist.reasons,
                "notice": worklist.notice,
            }
            for worklist in session.scalars(open_ones)
        ]


@st.fragment(run_every=WAIT_S)
def _wait_for_worklist() -> None:
    reader_or_stop(active=False)
    if _open_worklists():
        st.rerun()
    st.html(
        '<div class="rounds-empty"><h1>Nothing to read yet</h1>'
        "<p>A worklist appears here as soon as one is made: <code>rounds worklist create NAME</code>.</p></div>"
    )
