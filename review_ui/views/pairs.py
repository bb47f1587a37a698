"""The page of pairs: judgements of the privacy role in numbers; the judging page is our own HTML."""

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
    "Suspects: images that screening blocked or flagged as near copies, beside the nearest real training image. The "
    "other two columns have known answers and show how reliable a judge is: near 100 % for pairs of one subject and "
    "near 0 % for pairs of two. Line: exact 95 % interval (Clopper-Pearson)."
)
COLUMNS = ("pairs of one subject", "pairs of two subjects", "suspects")


def pairs_page() -> None:
    """Show every list of pairs, newest first."""
    reader = reader_who_can(Capability.SEE_PAIRS)
    with current_project().database.read() as session:
        lists = session.scalars(select(PairList).order_by(PairList.id.desc())).all()
        results = [compute_pair_results(session, pair_list) for pair_list in lists]
    if reader.can(Capability.JUDGE_PAIRS) and any(not result.closed for result in results):
        st.html('<p class="r-section"><a class="r-go" href="/rounds/pairs" target="_self">Judge pairs</a></p>')
    if not results:
        st.html(
            '<div class="rounds-empty"><h1>No pairs to judge</h1><p>Whoever organises the reading makes a list with '
            "<code>rounds pairs create NAME</code>, once screening has blocked or flagged near copies.</p></div>"
        )
    for result in results:
        # Judges see no figures before the list is closed: they would change how they judge.
        blind = reader.can(Capability.JUDGE_PAIRS) and not result.closed
        body = _judging_progress(result) if blind else _judge_table(result)
        st.html(section(result.name, body, note=result.caveat if blind else f"{result.caveat} {NOTE}"))


def _judging_progress(result: PairResults) -> str:
    rows = "".join(f"<tr><th>{escape(judge.reader)}</th><td>{judge.judged} judged</td></tr>" for judge in result.judges)
    table = f'<table class="r-table">{rows}</table>' if rows else ""
    return f'<p class="r-soft">{result.total} pairs. Figures appear here once the list is closed.</p>{table}'


def _judge_table(result: PairResults) -> str:
    facts = f"{result.total} pairs, {result.suspects} of them suspects{'; closed' if result.closed else ''}."
    if not result.judges:
        return f'<p class="r-soft">{facts} Nobody has judged any yet.</p>'
    head = "".join(f'<th colspan="2">{escape(name)}</th>' for name in COLUMNS)
    rows = "".join(_judge_row(judge) for judge in result.judges)
    table = (
        '<h3 class="r-over">Called the same subject, of</h3><table class="r-table r-dots r-three">'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
    named = ", ".join(map(str, result.called_same))
    called = f'<p class="r-small">Suspects called the same subject: images {named}.</p>' if named else ""
    return f'<p class="r-soft">{facts}</p>{table}{called}'


def _judge_row(judge: JudgeResult) -> str:
    tag = '<i class="r-tag">proxy</i>' if judge.kind is ReaderKind.PROXY else ""
    sides = (judge.same_found, judge.different_called_same, judge.suspects_called_same)
    return (
        f"<tr><th>{escape(judge.reader)} {tag}<small>{judge.judged} judged</small></th>"
        f"{''.join(map(_share_cells, sides))}</tr>"
    )


def _share_cells(share: Estimate) -> str:
    return f'<td colspan="2" class="r-soft">{escape(share.how)}</td>' if share.value is None else dot_cells(share)
