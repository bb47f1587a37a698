"""Parts that several pages share: the check of the role, the choice of a worklist, running an action."""

from collections.abc import Callable
from typing import TypeVar

import streamlit as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import RoundsError
from curation.tables.images import BuildStatus
from curation.tables.reading import ReaderCursor, Worklist, WorklistKind
from review_ui.context import current_project, reader_or_stop
from review_ui.security.permissions import Capability
from review_ui.security.sessions import SignedInReader

Made = TypeVar("Made")


def reader_who_can(capability: Capability, active: bool = True) -> SignedInReader:
    """The signed-in reader, whose role allows this page; for other roles the page says so and stops."""
    reader = reader_or_stop(active)
    if not reader.can(capability):
        st.html('<p class="rounds-ended">Your role does not see this page. An administrator can change it.</p>')
        st.stop()
    return reader


def with_role_check(page: Callable[[], None], capability: Capability) -> Callable[[], None]:
    """Wrap a page with the check of the role."""

    def checked_page() -> None:
        reader_who_can(capability)
        page()

    return checked_page


def choose_worklist(*, closed_only: bool = False) -> Worklist | None:
    """Choose the worklist of the page; None, with a sentence on the page, when there is none."""
    query = select(Worklist).where(Worklist.status == BuildStatus.READY, Worklist.kind != WorklistKind.PRACTICE)
    if closed_only:
        query = query.where(Worklist.closed_at.is_not(None))
    with current_project().database.read() as session:
        read = set(session.scalars(select(ReaderCursor.worklist_id).where(ReaderCursor.done > 0)))
        worklists = {worklist.id: worklist for worklist in session.scalars(query.order_by(Worklist.id.desc()))}
    if not worklists:
        what = "No worklist is closed yet" if closed_only else "No worklist yet"
        st.html(f'<div class="rounds-empty"><h1>{what}</h1><p>What was read appears here.</p></div>')
        return None
    newest_read = next((number for number, key in enumerate(worklists) if key in read), 0)
    chosen = st.selectbox("Worklist", list(worklists), newest_read, format_func=lambda key: worklists[key].name)
    return worklists[chosen]


def run_action(capability: Capability, action: Callable[[Session, SignedInReader], Made]) -> Made | None:
    """Run an action in one short transaction after checking the role again; errors are shown on the page."""
    reader = reader_who_can(capability)
    try:
        with current_project().database.write() as session:
            return action(session, reader)
    except RoundsError as error:
        st.error(str(error))
        return None
