"""Pairs judged by the privacy role, in numbers; the judging itself has a page of ours."""

from html import escape

import streamlit as st
from sqlalchemy import select

from curation.estimates import Estimate
from curation.pairs.results import JudgeResult, PairResults, compute_pair_results
from curation.tables.pairs import PairList
from curation.tables.people import ReaderKind
from review_ui.context import current_project
from review_ui.markup.plots import dot_cells, section
from review_ui.security.permissions import Capability
from review_ui.views.parts import reader_who_can

NOTE = (
    "Suspects: what screening blocked or flagged as a near copy, beside the nearest real training image. The other two "
    "columns have known answers and say what a judge's word on suspects is worth: a reliable judge is near 100 % for "
    "pairs of one subject and near 0 % for pairs of two. Line: exact 95 % interval (Clopper-Pearson)."
)
COLUMNS = ("pairs of one subject", "pairs of two subjects", "suspects")


def pairs_page() -> None:
    """Every list of pairs, newest first."""
    reader = reader_who_can(Capability.SEE_PAIRS)
    with current_project().database.read() as session:
        lists = session.scalars(select(PairList).order_by(PairList.id.desc())).all()
        found = [compute_pair_results(session, one) for one in lists]
    if reader.can(Capability.JUDGE_PAIRS) and any(not one.closed for one in found):
        st.html('<p class="r-section"><a class="r-go" href="/rounds/pairs" target="_self">Judge pairs</a></p>')
    if not found:
        st.html(
            '<div class="rounds-empty"><h1>No pairs to judge</h1><p>Whoever organises the reading makes a list with '
            "<code>rounds pairs create NAME</code>, once screening has blocked or flagged near copies.</p></div>"
        )
    for one in found:
        # Nobody who judges learns how they do before the list is closed: it would change how they go on.
        blind = reader.can(Capability.JUDGE_PAIRS) and not one.closed
        body = _progress(one) if blind else _table(one)
        st.html(section(one.name, body, note=one.caveat if blind else f"{one.caveat} {NOTE}"))


def _progress(found: PairResults) -> str:
    judged = "".join(f"<tr><th>{escape(one.reader)}</th><td>{one.judged} judged</td></tr>" for one in found.judges)
    table = f'<table class="r-table">{judged}</table>' if judged else ""
    return f'<p class="r-soft">{found.total} pairs. Figures stand here once the list is closed.</p>{table}'


def _table(found: PairResults) -> str:
    facts = f"{found.total} pairs, {found.suspects} of them suspects{'; closed' if found.closed else ''}."
    if not found.judges:
        return f'<p class="r-soft">{facts} Nobody has judged any yet.</p>'
    head = "".join(f'<th colspan="2">{escape(name)}</th>' for name in COLUMNS)
    rows = "".join(_row(judge) for judge in found.judges)
    table = (
        '<h3 class="r-over">Called the same subject, of</h3><table class="r-table r-dots r-three">'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
    named = ", ".join(map(str, found.called_same))
    called = f'<p class="r-small">Suspects called the same subject: images {named}.</p>' if named else ""
    return f'<p class="r-soft">{facts}</p>{table}{called}'


def _row(judge: JudgeResult) -> str:
    tag = '<i class="r-tag">proxy</i>' if judge.kind is ReaderKind.PROXY else ""
    sides = (judge.same_found, judge.different_called_same, judge.suspects_called_same)
    return (
        f"<tr><th>{escape(judge.reader)} {tag}<small>{judge.judged} judged</small></th>"
        f"{''.join(map(_side, sides))}</tr>"
    )


def _side(share: Estimate) -> str:
    return f'<td colspan="2" class="r-soft">{escape(share.how)}</td>' if share.value is None else dot_cells(share)
