"""The project and the signed-in reader of a Streamlit page, checked again on each rerun."""

import logging
import os
import time
from pathlib import Path

import streamlit as st

from curation.errors import DatabaseAway
from curation.project import Project
from review_ui.asgi import PROJECT_VARIABLE, utc_now
from review_ui.security.sessions import COOKIE_NAME, Sessions, SignedInReader, cookie_name

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
_LOG = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def open_project(root: str) -> Project:
    """Open the project once for all pages of the process, with one pool of connections."""
    project = Project.open(Path(root))
    project.database.on_away = wait_on_page
    return project


def wait_on_page(error: DatabaseAway, tries: int) -> None:
    """Say on the page that the database is away, and wait, longer with each try; then the page goes on by itself."""
    pause_s = min(FIRST_PAUSE_S * 2 ** min(tries - 1, 10), LONGEST_PAUSE_S)
    _LOG.warning("%s Next try in %g s.", error, pause_s)
    place = st.empty()
    place.html('<p class="rounds-ended" role="status">The database does not answer. This page goes on by itself.</p>')
    time.sleep(pause_s)
    place.empty()


def current_project() -> Project:
    """The project that this server was started for."""
    return open_project(os.environ[PROJECT_VARIABLE])


def reader_or_stop(active: bool = True) -> SignedInReader:
    """The signed-in reader; without one the page says so and stops.

    Fragments that refresh themselves call it too, with `active=False`: a rerun of a fragment runs nothing else.
    """
    reader = Sessions(current_project(), utc_now).find(_token(), active)
    if reader is None or reader.must_change_password:
        st.html('<p class="rounds-ended">Your session has ended. <a href="/" target="_self">Sign in again</a></p>')
        st.stop()
    return reader


def _token() -> str | None:
    """The token of the session; the guard has refused a page by https whose cookie lacks the prefix."""
    cookies = st.context.cookies
    return cookies.get(cookie_name(COOKIE_NAME, secure=True)) or cookies.get(COOKIE_NAME)
