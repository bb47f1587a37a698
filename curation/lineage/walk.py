"""Walk the lineage from any node, list the members of a group, and write DOT."""

from collections.abc import Iterator
from typing import Any, Literal

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from curation.lineage.down import DOWN, generators_that_saw
from curation.lineage.graph import Graph, NodeKind, Ref, extend_graph
from curation.lineage.nodes import describe_node, in_group, of_owner
from curation.lineage.up import UP
from curation.reading.outcomes import stands
from curation.tables.images import Image, Subject
from curation.tables.reading import Outcome, Reading, WorklistItem

MEMBER = {
    NodeKind.SUBJECTS: "subject",
    NodeKind.IMAGES: "image",
    NodeKind.READINGS: "reading",
    NodeKind.OUTCOMES: "outcome of image",
}
Direction = Literal["up", "down", "both"]


def walk(session: Session, start: Ref, direction: Direction = "both", far: int | None = None) -> Graph:
    """Walk to what `start` descends from, to what descends from it, or to both; at most `far` steps away."""
    graph = Graph(start)
    if direction != "down":
        extend_graph(session, graph, UP, describe_node, up=True, far=far)
    if direction != "up":
        single = start.kind in (NodeKind.SUBJECT, NodeKind.IMAGE)
        saw = generators_that_saw(session, start) if single else set[str]()

        def keep(ref: Ref) -> bool:
            """Leave out, from a single image, generators that never saw it and readings of other images."""
            if not single:
                return True
            of_others = ref.kind in (NodeKind.READINGS, NodeKind.OUTCOMES) and ref.key.startswith("worklist/")
            return not of_others and (ref.kind is not NodeKind.GENERATOR or ref.key in saw)

        extend_graph(session, graph, DOWN, describe_node, up=False, keep=keep, far=far)
    return graph


def list_members(session: Session, ref: Ref) -> Iterator[str]:
    """List every thing in a group, one line each, streamed; nothing for a node that is no group."""
    query: Select[Any, Any] | None = None
    if ref.kind is NodeKind.SUBJECTS:
        subject_ids = select(Image.subject_id).where(in_group(ref.key)).distinct()
        query = select(Subject.key, Subject.split).where(Subject.id.in_(subject_ids)).order_by(Subject.id)
    elif ref.kind is NodeKind.IMAGES:
        query = select(Image.id, Image.pixel_sha256).where(in_group(ref.key)).order_by(Image.id)
    elif ref.kind is NodeKind.READINGS:
        query = select(Reading.id, Reading.verdict).join(WorklistItem, WorklistItem.id == Reading.item_id)
        query = query.where(of_owner(session, WorklistItem, ref.key), stands()).order_by(Reading.id)
    elif ref.kind is NodeKind.OUTCOMES:
        query = select(Outcome.image_id, Outcome.verdict).where(of_owner(session, Outcome, ref.key))
        query = query.order_by(Outcome.image_id)
    if query is None:
        return
    for key, value in session.execute(query.execution_options(yield_per=1_000)):
        yield f"{MEMBER[ref.kind]} {key}: {getattr(value, 'value', str(value)[:12])}"


def as_dot(graph: Graph) -> str:
    """Write the graph in the DOT language, for Graphviz: older things to the left, affected ones dashed."""
    lines = ["digraph lineage {", '  rankdir=LR; node [shape=box, fontname="sans-serif"];']
    for ref, node in graph.nodes.items():
        label = "\n".join([node.title, *node.facts, *([node.affected] if node.affected else [])])
        style = ", style=dashed" if node.affected else ", style=bold" if ref == graph.start else ""
        lines.append(f"  {_quoted(str(ref))} [label={_quoted(label)}{style}];")
    for edge in graph.edges.values():
        lines.append(f"  {_quoted(str(edge.source))} -> {_quoted(str(edge.target))} [label={_quoted(edge.what)}];")
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
