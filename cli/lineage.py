"""`rounds lineage`: from a subject to a report, or back."""

from collections.abc import Iterator
from typing import Any

import click
from sqlalchemy.orm import Session

from cli.terminal import emit, json_option, pass_project
from curation.lineage.graph import GROUPS, Edge, Graph, Node, Ref
from curation.lineage.naming import find_node
from curation.lineage.walk import Direction, as_dot, list_members, walk
from curation.project import Project


@click.command()
@click.argument("node")
@click.option("--up", is_flag=True, help="Only what it descends from.")
@click.option("--down", is_flag=True, help="Only what descends from it.")
@click.option("--full", is_flag=True, help="List every image, subject, reading and outcome, instead of their number.")
@click.option("--dot", is_flag=True, help="Print the graph for Graphviz instead.")
@json_option
@pass_project
def lineage(project: Project, node: str, up: bool, down: bool, full: bool, dot: bool, as_json: bool) -> None:
    """Show what NODE descends from, and what descends from it.

    NODE is a kind and a name: subject:s0042, image:17, import:1, generator:NAME, batch:3, worklist:NAME, snapshot:NAME,
    run:NAME, study:NAME or report:NAME; a bare name is enough where it is unique. Images, readings and outcomes
    are counted unless --full asks for each.

    \b
    Example:
      rounds lineage snapshot:first
      rounds lineage subject:s0042 --down
      rounds lineage study:first --up --dot | dot -Tsvg > lineage.svg
    """
    direction: Direction = "both" if up == down else "up" if up else "down"
    with project.database.read() as session:
        graph = walk(session, find_node(session, node), direction)
        if as_json:
            emit(_graph_record(session, graph, full), as_json=True)
        elif dot:
            click.echo(as_dot(graph))
        else:
            for line in _tree_lines(session, graph, direction, full):
                click.echo(line)


def _graph_record(session: Session, graph: Graph, full: bool) -> dict[str, Any]:
    record = graph.record()
    if full:
        record["members"] = {str(ref): list(list_members(session, ref)) for ref in graph.nodes if ref.kind in GROUPS}
    return record


def _tree_lines(session: Session, graph: Graph, direction: Direction, full: bool) -> Iterator[str]:
    yield _node_line(graph.nodes[graph.start])
    shown: set[Ref] = {graph.start}
    for title, way in (("descends from", "up"), ("and from it descend", "down")):
        if direction in (way, "both"):
            yield title
            if not _edges_onward(graph, graph.start, way):
                yield "  nothing that this project knows of"
            yield from _branch_lines(session, graph, graph.start, way, "  ", shown, full)


def _edges_onward(graph: Graph, ref: Ref, way: str) -> list[Edge]:
    return graph.parents(ref) if way == "up" else graph.children(ref)


def _branch_lines(
    session: Session, graph: Graph, ref: Ref, way: str, indent: str, shown: set[Ref], full: bool
) -> Iterator[str]:
    """Yield the lines of a branch; a node that was shown before is named and not walked again."""
    edges = _edges_onward(graph, ref, way)
    for place, edge in enumerate(edges):
        other = edge.source if way == "up" else edge.target
        last = place == len(edges) - 1
        what = f"  [{edge.what}]" if edge.what else ""
        again = other in shown and bool(_edges_onward(graph, other, way))
        yield f"{indent}{'└' if last else '├'} {_node_line(graph.nodes[other])}{what}{'  (see above)' if again else ''}"
        if again:
            continue
        shown.add(other)
        deeper = f"{indent}{' ' if last else '│'} "
        if full and other.kind in GROUPS:
            yield from (f"{deeper}  {line}" for line in list_members(session, other))
        yield from _branch_lines(session, graph, other, way, deeper, shown, full)


def _node_line(node: Node) -> str:
    facts = f": {', '.join(fact for fact in node.facts if fact)}" if node.facts else ""
    return f"{node.title}{facts}" + (f"  {node.affected}" if node.affected else "")
