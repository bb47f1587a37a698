"""Walk the lineage up and down from any node, list what a group holds, and write the graph down for other tools."""

from collections.abc import Iterator
from typing import Any, Literal

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from curation.lineage.down import DOWN, generators_that_saw
from curation.lineage.graph import Graph, Kind, Ref, extend
from curation.lineage.nodes import describe, in_group, outcome_condition, reading_condition
from curation.lineage.up import UP
from curation.reading.outcomes import stands
from curation.tables.images import Image, Subject
from curation.tables.reading import Outcome, Reading, WorklistItem

MEMBER = {Kind.SUBJECTS: "subject", Kind.IMAGES: "image", Kind.READINGS: "reading", Kind.OUTCOMES: "outcome of image"}
Direction = Literal["up", "down", "both"]


def walk(session: Session, start: Ref, direction: Direction = "both", far: int | None = None) -> Graph:
    """Everything that `start` descends from, everything that descends from it, or both; at most `far` steps away."""
    graph = Graph(start)
    if direction != "down":
        extend(session, graph, UP, describe, up=True, far=far)
    if direction != "up":
        single = start.kind in (Kind.SUBJECT, Kind.IMAGE)
        saw = generators_that_saw(session, start) if single else set[str]()

        def keep(ref: Ref) -> bool:
            """From one image, a snapshot that held it back leads to no generator, and a worklist to no verdict."""
            if not single:
                return True
            of_others = ref.kind in (Kind.READINGS, Kind.OUTCOMES) and ref.key.startswith("worklist/")
            return not of_others and (ref.kind is not Kind.GENERATOR or ref.key in saw)

        extend(session, graph, DOWN, describe, up=False, keep=keep, far=far)
    return graph


def members(session: Session, ref: Ref) -> Iterator[str]:
    """Every single thing in a group, one line each, streamed; nothing for a node that is no group."""
    query: Select[Any, Any] | None = None
    if ref.kind is Kind.SUBJECTS:
        here = select(Image.subject_id).where(in_group(ref.key)).distinct()
        query = select(Subject.key, Subject.split).where(Subject.id.in_(here)).order_by(Subject.id)
    elif ref.kind is Kind.IMAGES:
        query = select(Image.id, Image.pixel_sha256).where(in_group(ref.key)).order_by(Image.id)
    elif ref.kind is Kind.READINGS:
        query = select(Reading.id, Reading.verdict).join(WorklistItem, WorklistItem.id == Reading.item_id)
        query = query.where(reading_condition(session, ref.key), stands()).order_by(Reading.id)
    elif ref.kind is Kind.OUTCOMES:
        query = select(Outcome.image_id, Outcome.verdict).where(outcome_condition(session, ref.key))
        query = query.order_by(Outcome.image_id)
    if query is None:
        return
    for key, value in session.execute(query.execution_options(yield_per=1_000)):
        said = getattr(value, "value", str(value)[:12])
        yield f"{MEMBER[ref.kind]} {key}: {said}"


def as_dot(graph: Graph) -> str:
    """The graph in the DOT language, for Graphviz: older things to the left, what a withdrawal reaches dashed."""
    lines = ["digraph lineage {", '  rankdir=LR; node [shape=box, fontname="sans-serif"];']
    for ref, node in graph.nodes.items():
        label = "\n".join([node.title, *node.facts, *([node.affected] if node.affected else [])])
        style = ", style=dashed" if node.affected else ", style=bold" if ref == graph.start else ""
        lines.append(f"  {_quoted(str(ref))} [label={_quoted(label)}{style}];")
    for edge in graph.edges.values():
        lines.append(f"  {_quoted(str(edge.source))} -> {_quoted(str(edge.target))} [label={_quoted(edge.what)}];")
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
