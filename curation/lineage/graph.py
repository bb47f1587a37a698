"""A graph of what descends from what, and how a walk extends it; arrows run from older to newer.

Images, readings and outcomes come by the million, so each origin has one node with counts; `walk` asks the
database for sums and never for the rows. A single image or subject can be the start of a walk all the same.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session


class NodeKind(StrEnum):
    """The kinds of nodes, in the order of the loop."""

    SUBJECTS = "subjects"
    SUBJECT = "subject"
    IMPORT = "import"
    IMAGES = "images"
    IMAGE = "image"
    SNAPSHOT = "snapshot"
    GENERATOR = "generator"
    BATCH = "batch"
    WORKLIST = "worklist"
    READINGS = "readings"
    OUTCOMES = "outcomes"
    BACKBONE = "backbone"
    RUN = "run"
    STUDY = "study"
    REPORT = "report"
    ELSEWHERE = "elsewhere"


GROUPS = frozenset({NodeKind.SUBJECTS, NodeKind.IMAGES, NodeKind.READINGS, NodeKind.OUTCOMES})


@dataclass(frozen=True, slots=True)
class Ref:
    """The name of a node: its kind and its key, `snapshot:first`."""

    kind: NodeKind
    key: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in words; `affected` names the withdrawals that affect it."""

    ref: Ref
    title: str
    facts: tuple[str, ...] = ()
    affected: str | None = None

    def record(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return {
            "node": str(self.ref),
            "kind": self.ref.kind.value,
            "title": self.title,
            "facts": list(self.facts),
            "affected": self.affected,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """A neighbour of a node and what leads to it."""

    ref: Ref
    what: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """`target` descends from `source`."""

    source: Ref
    target: Ref
    what: str = ""


Steps = Callable[[Session, str], list[Step]]


@dataclass
class Graph:
    """Nodes and arrows around a start; each occurs once."""

    start: Ref
    nodes: dict[Ref, Node] = field(default_factory=dict)
    edges: dict[tuple[Ref, Ref], Edge] = field(default_factory=dict)

    def parents(self, ref: Ref) -> list[Edge]:
        """List the arrows into a node."""
        return [edge for edge in self.edges.values() if edge.target == ref]

    def children(self, ref: Ref) -> list[Edge]:
        """List the arrows out of a node."""
        return [edge for edge in self.edges.values() if edge.source == ref]

    def record(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        edges = [{"from": str(edge.source), "to": str(edge.target), "what": edge.what} for edge in self.edges.values()]
        return {"start": str(self.start), "nodes": [node.record() for node in self.nodes.values()], "edges": edges}

    def layers(self) -> list[list[Ref]]:
        """Group nodes by their longest way from the oldest, so that every arrow runs to a later layer."""
        depth: dict[Ref, int] = {}
        waiting = {ref: len(self.parents(ref)) for ref in self.nodes}
        ready = deque(ref for ref, count in waiting.items() if count == 0)
        while ready:
            ref = ready.popleft()
            depth[ref] = max((depth[edge.source] + 1 for edge in self.parents(ref)), default=0)
            for edge in self.children(ref):
                waiting[edge.target] -= 1
                if waiting[edge.target] == 0:
                    ready.append(edge.target)
        layers: list[list[Ref]] = [[] for _ in range(1 + max(depth.values(), default=0))]
        for ref in self.nodes:
            layers[depth.get(ref, 0)].append(ref)
        return layers


def extend_graph(
    session: Session,
    graph: Graph,
    steps: dict[NodeKind, Steps],
    describe: Callable[[Session, Ref], Node],
    *,
    up: bool,
    keep: Callable[[Ref], bool] = lambda ref: True,
    far: int | None = None,
) -> None:
    """Walk from the start, at most `far` steps where it is given.

    `keep` leaves out what is near but does not descend from the start.
    """
    graph.nodes.setdefault(graph.start, describe(session, graph.start))
    seen, ready = {graph.start: 0}, deque([graph.start])
    while ready:
        ref = ready.popleft()
        if seen[ref] == far:
            continue
        for step in steps[ref.kind](session, ref.key) if ref.kind in steps else []:
            if not keep(step.ref):
                continue
            graph.nodes.setdefault(step.ref, describe(session, step.ref))
            source, target = (step.ref, ref) if up else (ref, step.ref)
            graph.edges.setdefault((source, target), Edge(source, target, step.what))
            if step.ref not in seen:
                seen[step.ref] = seen[ref] + 1
                ready.append(step.ref)
