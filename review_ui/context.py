"""The project and the signed-in reader of a Streamlit page, checked again on each rerun."""

import os
from pathlib import Path

import streamlit as st

from curation.project import Project
from review_ui.asgi import PROJECT_VARIABLE, utc_now
from review_ui.security.sessions import COOKIE_NAME, Sessions, SignedInReader


@st.cache_resource(show_spinner=False)
def open_project(root: str) -> Project:
    """Open the project once for all pages of the process, with one pool of connections."""
    return Project.open(Path(root))


def current_project() -> Project:
    """The project that this server was started for."""
    return open_project(os.environ[PROJECT_VARIABLE])


def reader_or_stop(active: bool = True) -> SignedInReader:
    """The signed-in reader; without one the page says so and stops.

    Fragments that refresh themselves call it too, with `active=False`: a rerun of a fragment runs nothing else.
    """
    reader = Sessions(current_project(), utc_now).find(st.context.cookies.get(COOKIE_NAME), active)
    if reader is None or reader.must_change_password:
        st.html('<p class="rounds-ended">Your session has ended. <a href="/" target="_self">Sign in again</a></p>')
        st.stop()
    return reader
