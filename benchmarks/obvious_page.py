"""The review page one would write first; only `key_to_paint.py` and `first_image.py` run it.

`st.image` and two buttons with shortcuts. It reads the same project's images and does less than ours: no sign-in, no
leases, one SQLite insert per verdict.
"""

import os
import sqlite3
from pathlib import Path

import streamlit as st
from sqlalchemy import select

from curation.project import Project
from curation.tables.images import Image

root = Path(os.environ["ROUNDS_PROJECT"])


@st.cache_resource
def opened() -> tuple[Project, list[str]]:
    """The project and the digests of its images, looked up once."""
    project = Project.open(root)
    with project.database.read() as session:
        return project, list(session.scalars(select(Image.file_sha256).order_by(Image.id)))


def decide(digest: str, verdict: str) -> None:
    """Commit a verdict and go on to the next image."""
    with sqlite3.connect(root / "obvious.db") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS verdicts (digest TEXT, verdict TEXT)")
        connection.execute("INSERT INTO verdicts VALUES (?, ?)", (digest, verdict))
    connection.close()
    st.session_state.index += 1


project, digests = opened()
st.session_state.setdefault("index", 0)
digest = digests[st.session_state.index % len(digests)]
st.image(project.store.pixels(digest)[:, :, 0], width=700)
st.button("Accept", shortcut="a", on_click=decide, args=(digest, "accept"))
st.button("Reject", shortcut="x", on_click=decide, args=(digest, "reject"))
