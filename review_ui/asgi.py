"""Build the application: Streamlit's `st.App` with our routes, behind the guard."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from streamlit import config

from curation.project import Project
from review_ui.own_pages.first_page import FirstPage
from review_ui.routes.table import EXCEPTION_HANDLERS, create_routes
from review_ui.security.guard import LOOPBACK_NAMES, Guard
from review_ui.security.sessions import Clock, Sessions
from review_ui.theme import STREAMLIT_OPTIONS

PROJECT_VARIABLE = "ROUNDS_PROJECT"
HOSTS_VARIABLE = "ROUNDS_ALLOWED_HOSTS"


def utc_now() -> datetime:
    """The time on the clock of the server."""
    return datetime.now(UTC)


def create_app(project: Project, allowed_hosts: frozenset[str] = LOOPBACK_NAMES, clock: Clock = utc_now) -> st.App:
    """Build the application of a project; `allowed_hosts` are the names and addresses that browsers may use."""
    os.environ[PROJECT_VARIABLE] = str(project.root)
    config.get_config_options(force_reparse=True, options_from_flags=STREAMLIT_OPTIONS)
    guard = Middleware(Guard, sessions=Sessions(project, clock), allowed_hosts=allowed_hosts)
    return st.App(
        Path(__file__).with_name("app.py"),
        lifespan=lambda _: _anchored_at_the_end(project),
        routes=create_routes(project, clock),
        middleware=[guard, Middleware(FirstPage)],
        exception_handlers=EXCEPTION_HANDLERS,
    )


@asynccontextmanager
async def _anchored_at_the_end(project: Project) -> AsyncIterator[None]:
    """Anchor the chain of events when the server stops, so that the events since the last anchor cannot be cut off."""
    yield
    await run_in_threadpool(project.anchor)


def application() -> st.App:
    """Build the application for `uvicorn --factory review_ui.asgi:application`, with ROUNDS_PROJECT set."""
    project = Project.open(Path(os.environ[PROJECT_VARIABLE]))
    named = frozenset(name for name in os.environ.get(HOSTS_VARIABLE, "").split(",") if name)
    return create_app(project, LOOPBACK_NAMES | named)
