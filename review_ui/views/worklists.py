"""The page of worklists: pause, resume and close them, release images, choose readers, make another."""

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.tables.people import Reader, ReaderKind, Role
from curation.tables.reading import Worklist, WorklistKind
from curation.worklists.create import close_worklist
from curation.worklists.manage import (
    RULES,
    change_rule,
    pause_worklist,
    readers_of,
    release_leases,
    resume_worklist,
    set_readers,
)
from curation.worklists.summaries import list_worklists
from curation.worklists.vocabulary import list_vocabularies
from review_ui.asgi import utc_now
from review_ui.context import current_project
from review_ui.markup.overview import worklist_line
from review_ui.markup.plots import section
from review_ui.security.permissions import CAPABILITIES, Capability
from review_ui.security.sessions import SignedInReader
from review_ui.views.parts import reader_who_can, run_action
from review_ui.views.worklist_form import worklist_form


def worklists_page() -> None:
    """Show all worklists with their actions, then the form for another."""
    reader_who_can(Capability.MANAGE)
    with current_project().database.read() as session:
        summaries = {row.name: row for row in list_worklists(session)}
        counted = select(Worklist).where(Worklist.kind != WorklistKind.PRACTICE)
        rows = session.scalars(counted.order_by(Worklist.id.desc())).all()
        reading = [role for role in Role if Capability.READ in CAPABILITIES[role]]
        is_person = (Reader.kind == ReaderKind.HUMAN, Reader.active, Reader.role.in_(reading))
        people = list(session.scalars(select(Reader.name).where(*is_person).order_by(Reader.name)))
        names = {row.id: row.name for row in session.scalars(select(Reader))}
        allowed = {row.id: [names[reader] for reader in readers_of(session, row.id)] for row in rows}
        vocabularies = [row.name for row in list_vocabularies(session)]
    st.html(section("Worklists", "" if rows else "<p class='r-soft'>None yet: make the first below.</p>"))
    with st.container(key="worklists", gap=None):
        for row in rows:
            _worklist(row, worklist_line(row, summaries[row.name]), allowed[row.id], people)
    worklist_form(people, vocabularies)


def _worklist(row: Worklist, line: str, allowed: list[str], people: list[str]) -> None:
    summary, more = st.columns([8, 2], vertical_alignment="center")
    summary.html(line)
    if row.closed_at is not None:
        return
    with more.popover("Manage", width="stretch"):
        if row.paused_at is None:
            if st.button("Pause", key=f"pause-{row.id}", width="stretch"):
                _change(pause_worklist, row.name)
        elif st.button("Resume", key=f"resume-{row.id}", width="stretch"):
            _change(resume_worklist, row.name)
        if st.button("Give held images back", key=f"reassign-{row.id}", width="stretch"):
            _change(release_leases, row.name)
        if row.kind is not WorklistKind.PRACTICE:
            readers = st.multiselect(
                "Who may read", sorted({*people, *allowed}), allowed, key=f"readers-{row.id}", placeholder="Everybody"
            )
            if st.button("Save who may read", key=f"save-{row.id}", width="stretch"):
                _change(partial(set_readers, readers=readers), row.name)
        if row.kind is WorklistKind.VERDICT:
            _rule(row)
        sure = st.checkbox("Reading ends for good", key=f"sure-{row.id}")
        if st.button("Close", key=f"close-{row.id}", width="stretch", disabled=not sure):
            _change(close_worklist, row.name)


def _rule(row: Worklist) -> None:
    kind = st.selectbox("Rule", RULES, RULES.index(str(row.rule["kind"])), key=f"rule-{row.id}")
    readers = int(st.number_input("Readers per image", 1, 5, int(row.rule["readers"]), key=f"of-{row.id}"))
    sure = st.checkbox("Outcomes are settled anew", key=f"anew-{row.id}")
    same = (kind, readers) == (row.rule["kind"], row.rule["readers"])
    if st.button("Change the rule", key=f"change-{row.id}", width="stretch", disabled=same or not sure):
        _change(partial(change_rule, kind=kind, readers=readers), row.name)


def _change(action: Callable[..., Any], name: str) -> None:
    def do(session: Session, reader: SignedInReader) -> bool:
        action(session, current_project().chain, utc_now(), name)
        return True

    if run_action(Capability.MANAGE, do):
        current_project().anchor()
        st.rerun()
