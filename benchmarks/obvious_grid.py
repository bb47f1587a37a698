"""The page of images one would write first; only `grid.py` runs it.

`st.image` and `st.checkbox` in a fragment. It reads the same project's images and does less than ours: no sign-in, no
leases, one SQLite insert for the whole page.
"""

import os
import sqlite3
from pathlib import Path

import streamlit as st
from sqlalchemy import select

from curation.project import Project
from curation.tables.images import Image

root = Path(os.environ["ROUNDS_PROJECT"])
SIZE = int(os.environ["ROUNDS_PAGE_SIZE"])
COLUMNS = 6


@st.cache_resource
def opened() -> tuple[Project, list[str]]:
    """The project and the digests of its images, looked up once."""
    project = Project.open(root)
    with project.database.read() as session:
        return project, list(session.scalars(select(Image.file_sha256).order_by(Image.id)))


@st.fragment
def page() -> None:
    """One page; a checkbox runs the fragment again, so does the button."""
    project, digests = opened()
    number = st.session_state.setdefault("page", 0)
    first = number * SIZE
    shown = [digests[(first + place) % len(digests)] for place in range(SIZE)]
    marked = [st.session_state.get(f"{number}-{place}", False) for place in range(SIZE)]
    st.button("Submit", on_click=submit, args=(shown, marked))
    st.html(f"<p class='said'>page {number}, {sum(marked)} marked</p>")
    columns = st.columns(COLUMNS)
    for place, digest in enumerate(shown):
        with columns[place % COLUMNS]:
            st.image(project.store.pixels(digest)[:, :, 0], width="stretch")
            st.checkbox("Reject", key=f"{number}-{place}")


def submit(shown: list[str], marked: list[bool]) -> None:
    """Commit the page and go on to the next."""
    with sqlite3.connect(root / "obvious.db") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS verdicts (digest TEXT, rejected INTEGER)")
        connection.executemany("INSERT INTO verdicts VALUES (?, ?)", list(zip(shown, marked, strict=True)))
    connection.close()
    st.session_state.page += 1


st.set_page_config(layout="wide")
page()
