"""The page of accounts: roles and one-time passwords, which are shown once and must be changed."""

import secrets
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import streamlit as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.readers.accounts import (
    activate_reader,
    add_reader,
    deactivate_reader,
    reset_password,
    set_role,
    sign_out_everywhere,
    unlock_reader,
)
from curation.readers.sign_ins import is_slowed
from curation.tables.people import Reader, ReaderKind, Role
from review_ui.asgi import utc_now
from review_ui.context import current_project
from review_ui.markup.overview import account_line
from review_ui.markup.plots import section
from review_ui.security.permissions import Capability
from review_ui.security.sessions import SignedInReader
from review_ui.views.parts import reader_who_can, run_action

PASSWORD_BYTES = 12
ONCE = "password_shown_once"


def accounts_page() -> None:
    """Show all accounts, then the form for another."""
    reader_who_can(Capability.ADMINISTER)
    now = utc_now()
    with current_project().database.read() as session:
        rows = session.scalars(select(Reader).order_by(Reader.active.desc(), Reader.name)).all()
    shown = st.session_state.pop(ONCE, None)
    if shown is not None:
        st.html(section("One-time password", "", note=f"For {shown[0]}. It is shown only once and must be changed."))
        with st.container(key="one-time"):
            st.code(shown[1], language=None)
    st.html(section("Accounts", ""))
    with st.container(key="accounts", gap=None):
        for row in rows:
            line, more = st.columns([8, 2], vertical_alignment="center")
            line.html(account_line(row, now))
            if row.kind is ReaderKind.HUMAN:
                with more.popover("Manage", width="stretch"):
                    _manage(row, now)
    _form()


def _manage(row: Reader, now: datetime) -> None:
    role = st.selectbox("Role", list(Role), list(Role).index(row.role), format_func=_word, key=f"role-{row.id}")
    if st.button("Save the role", key=f"save-{row.id}", width="stretch", disabled=role is row.role):
        _change(partial(set_role, role=role or row.role), row.name)
    if st.button("New one-time password", key=f"reset-{row.id}", width="stretch"):
        _give_password(reset_password, row.name)
    if is_slowed(row, now) and st.button("Forgive wrong passwords", key=f"unlock-{row.id}", width="stretch"):
        _change(unlock_reader, row.name)
    if st.button("Sign out everywhere", key=f"out-{row.id}", width="stretch"):
        _change(sign_out_everywhere, row.name)
    if row.active and st.button("Deactivate", key=f"off-{row.id}", width="stretch"):
        _change(deactivate_reader, row.name)
    if not row.active and st.button("Activate", key=f"on-{row.id}", width="stretch"):
        _change(activate_reader, row.name)


def _word(role: Role) -> str:
    return role.value.capitalize()


def _change(action: Callable[..., Any], name: str) -> None:
    def do(session: Session, reader: SignedInReader) -> bool:
        action(session, current_project().chain, utc_now(), name, by=reader.reader_id)
        return True

    if run_action(Capability.ADMINISTER, do):
        st.rerun()


def _give_password(action: Callable[..., Reader], name: str) -> None:
    """Add a reader, or reset their password, with a one-time password that the page shows next."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)

    def do(session: Session, reader: SignedInReader) -> bool:
        changed = action(session, current_project().chain, utc_now(), name, password, by=reader.reader_id)
        changed.must_change_password = True
        return True

    if run_action(Capability.ADMINISTER, do):
        st.session_state[ONCE] = (name, password)
        st.rerun()


def _form() -> None:
    st.html(section("Another account", ""))
    with st.container(key="page-form"), st.form("account", border=False, clear_on_submit=True):
        first, second = st.columns(2)
        name = first.text_input("Name", max_chars=100)
        role = second.selectbox("Role", list(Role), format_func=_word)
        if st.form_submit_button("Add", type="primary"):
            _give_password(partial(add_reader, role=role or Role.READER), name)
