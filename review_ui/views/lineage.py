"""The page of lineage: boxes from old to new, each a link to walk on, and every arrow in words."""

from html import escape
from urllib.parse import quote

import streamlit as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from curation.errors import BadInput, RoundsError
from curation.lineage.graph import GROUPS, Graph, Node, NodeKind, Ref
from curation.lineage.naming import NAMED, NUMBERED, find_node
from curation.lineage.nodes import split_group_key
from curation.lineage.walk import Direction, walk
from curation.provenance.written_names import pasted
from review_ui.context import current_project
from review_ui.figures.layered import Rectangle, lay_out
from review_ui.markup.plots import section
from review_ui.security.permissions import Capability
from review_ui.views.parts import reader_who_can

WAYS: dict[str, Direction] = {"Both ways": "both", "Up: descends from": "up", "Down: descendants": "down"}
CHOICES = (
    NodeKind.STUDY,
    NodeKind.RUN,
    NodeKind.BACKBONE,
    NodeKind.SNAPSHOT,
    NodeKind.GENERATOR,
    NodeKind.WORKLIST,
    NodeKind.BATCH,
    NodeKind.IMPORT,
)
NEWEST = 40  # of each kind, to choose from
STEPS = 6
MOST_STEPS = 30
NOTE = (
    "Older things are above newer ones; an arrow leads from a thing to what was made of it. Images, readings and "
    "outcomes are counted. Choose a box to walk on from there."
)


def lineage_page() -> None:
    """Choose where to start, or follow a link, and show the graph."""
    reader = reader_who_can(Capability.SEE_LINEAGE)
    with current_project().database.read() as session:
        starts = starting_points(session)
    asked = str(st.query_params.get("node", ""))
    with st.container(key="filters", horizontal=True):
        chosen = st.selectbox(
            "Start", starts, _start_position(starts, asked), placeholder="Choose a thing", key=f"start {asked}"
        )
        typed = st.text_input("Or by name", asked if asked not in starts else "", placeholder="image:17, subject:KEY")
        way = st.selectbox("Walk", list(WAYS))
        steps = int(st.number_input("Steps", 1, MOST_STEPS, STEPS, step=1))
    start = typed.strip() or chosen
    if not start:
        words = "Import images, fit a generator or build a snapshot: their lineage appears here."
        st.html(section("Nothing to show yet", f'<p class="r-soft">{words}</p>'))
        return
    subjects = reader.can(Capability.SEE_SUBJECTS)
    try:
        with current_project().database.read() as session:
            graph = walk(session, find_start(session, start, subjects), WAYS[str(way)], far=steps)
    except RoundsError as error:
        st.error(str(error))
        return
    shown = graph if subjects else without_subjects(graph)
    figure = section(shown.nodes[shown.start].title, lineage_figure(shown), note=NOTE)
    st.html(figure + section("In words", arrow_table(shown)))


def starting_points(session: Session) -> list[str]:
    """List the newest things of each kind, as `kind:name`."""
    starts: list[str] = []
    for kind in CHOICES:
        column = (NAMED.get(kind) or NUMBERED[kind])[0]
        newest = session.scalars(select(column).order_by(column.class_.id.desc()).limit(NEWEST))
        starts += [f"{kind}:{key}" for key in newest]
    return starts


def _start_position(starts: list[str], asked: str) -> int | None:
    if asked in starts:
        return starts.index(asked)
    return 0 if starts and not asked else None


def find_start(session: Session, text: str, subjects: bool) -> Ref:
    """Find the start node; a role that may not see subjects is refused before any lookup."""
    kind, colon, _ = text.partition(":")
    if not subjects and (not colon or pasted(kind) == NodeKind.SUBJECT):
        raise BadInput("your role does not see single subjects. Start from image:ID, import:ID, snapshot:NAME, ...")
    return find_node(session, text)


def without_subjects(graph: Graph) -> Graph:
    """Remove single subjects from the graph; counts of subjects stay."""
    nodes = {ref: node for ref, node in graph.nodes.items() if ref.kind is not NodeKind.SUBJECT}
    edges = {pair: edge for pair, edge in graph.edges.items() if pair[0] in nodes and pair[1] in nodes}
    return Graph(graph.start, nodes, edges)


def lineage_figure(graph: Graph) -> str:
    """Boxes and arrows as HTML; the arrows are hidden from screen readers, the table below has them."""
    layout = lay_out(graph)
    wires = "".join(f'<i class="r-wire" style="{_style(wire)}"></i>' for wire in layout.wires)
    heads = "".join(f'<i class="r-head" style="left:{x}px;top:{y}px"></i>' for x, y in layout.heads)
    boxes = "".join(_box(graph.nodes[ref], at, ref == graph.start) for ref, at in layout.boxes.items())
    label = f"Lineage of {graph.nodes[graph.start].title}: {len(graph.nodes)} things, {len(graph.edges)} arrows"
    return (
        f'<div class="r-lineage" role="group" tabindex="0" aria-label="{escape(label)}">'
        f'<div class="r-plane" style="width:{layout.width}px;height:{layout.height}px">'
        f'<div aria-hidden="true">{wires}{heads}</div>{boxes}</div></div>'
    )


def _style(rectangle: Rectangle) -> str:
    return f"left:{rectangle.left}px;top:{rectangle.top}px;width:{rectangle.width}px;height:{rectangle.height}px"


def _box(node: Node, at: Rectangle, is_start: bool) -> str:
    facts = "".join(f"<small>{escape(fact)}</small>" for fact in node.facts[:2] if fact)
    mark = f'<em class="r-affected">{escape(node.affected.partition(" (")[0])}</em>' if node.affected else ""
    start_mark = '<em class="r-here">you are here</em>' if is_start else ""
    kind = "elsewhere" if node.ref.kind is NodeKind.ELSEWHERE else node.ref.kind.value
    inner = f"<span>{escape(kind)}{start_mark}</span><b>{escape(node.title.removeprefix(kind + ' '))}</b>{mark}{facts}"
    summary = escape(", ".join([node.title, *node.facts, *([node.affected] if node.affected else [])]))
    affected = "true" if node.affected else "false"
    state = f'data-kind="{kind}" data-start="{str(is_start).lower()}" data-affected="{affected}"'
    link = node_address(node.ref)
    if link is None:
        return f'<div class="r-node" {state} title="{summary}" style="{_style(at)}">{inner}</div>'
    return f'<a class="r-node" {state} title="{summary}" href="{link}" target="_self" style="{_style(at)}">{inner}</a>'


def node_address(ref: Ref) -> str | None:
    """The link of a box; a group leads to what it belongs to, a thing elsewhere to nothing."""
    if ref.kind is NodeKind.ELSEWHERE:
        return None
    node = str(ref)
    if ref.kind in GROUPS or ref.kind is NodeKind.REPORT:
        what, rest = split_group_key(ref.key)
        node = f"{what}:{rest.rpartition('/')[0] if what == 'run' else rest}"
    return f"/lineage?node={quote(node, safe='')}"


def arrow_table(graph: Graph) -> str:
    """Every arrow as a row of a table, with notes of withdrawals."""
    rows = "".join(
        f"<tr><th>{escape(_node_text(graph.nodes[edge.source]))}</th><td>{escape(_node_text(graph.nodes[edge.target]))}</td>"
        f'<td class="r-soft">{escape(edge.what)}</td></tr>'
        for edge in graph.edges.values()
    )
    if not rows:
        return '<p class="r-soft">Nothing descends from it, and it descends from nothing known here.</p>'
    head = "<thead><tr><th>From</th><th>To</th><th>What passes</th></tr></thead>"
    return f'<table class="r-table r-arrows">{head}<tbody>{rows}</tbody></table>'


def _node_text(node: Node) -> str:
    whose = f" {node.facts[0]}" if node.ref.kind in GROUPS and node.facts and node.facts[0].startswith("of ") else ""
    return f"{node.title}{whose}" + (f", {node.affected}" if node.affected else "")
