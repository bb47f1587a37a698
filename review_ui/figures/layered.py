"""Lay out a lineage in layers: older things above newer ones, arrows around boxes and never through.

After Sugiyama, Tagawa and Toda (1981): layers by the longest path, an arrow over several layers gets a place in each,
and neighbours are ordered by the mean place of what they join.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import fmean

from curation.lineage.graph import Graph, Ref

BOX_WIDTH = 236
BOX_HEIGHT = 112
GAP = 28
CHANNEL = 56  # height between two layers, where arrows turn
WIRE = 2
SWEEPS = 24
GRAVITY = 0.8  # keeps the figure narrow, and a box that is alone in its layer in the middle
MARGIN = 12


@dataclass(frozen=True, slots=True)
class Place:
    """A box in a layer, or, with `target`, the arrow to it that passes the layer."""

    row: int
    ref: Ref
    target: Ref | None = None

    @property
    def width(self) -> int:
        """The width that it takes in its layer."""
        return BOX_WIDTH if self.target is None else WIRE


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box, or a straight piece of an arrow, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class GraphLayout:
    """The whole figure: boxes in reading order, pieces of arrows, and the positions of their heads (x, y)."""

    boxes: dict[Ref, Rectangle]
    wires: list[Rectangle]
    heads: list[tuple[int, int]]
    width: int
    height: int


Joins = list[tuple[Place, Place]]


def lay_out(graph: Graph) -> GraphLayout:
    """Lay out a graph whose arrows run from older to newer."""
    layers, joins = _with_passages(graph, _depths(graph))
    centres = _settle(layers, joins)
    shift = MARGIN - min(centre - place.width / 2 for place, centre in centres.items())
    middle = {place: round(centre + shift) for place, centre in centres.items()}
    places = [place for layer in layers for place in sorted(layer, key=middle.__getitem__)]
    boxes = {
        place.ref: Rectangle(middle[place] - BOX_WIDTH // 2, _top(place.row), BOX_WIDTH, BOX_HEIGHT)
        for place in places
        if place.target is None
    }
    width = max(middle[place] + place.width // 2 for place in places) + MARGIN
    heads = sorted({(middle[below], _top(below.row)) for _, below in joins if below.target is None})
    return GraphLayout(boxes, _wires(joins, middle), heads, width, _top(len(layers)) - CHANNEL + MARGIN)


def _top(row: int) -> int:
    return MARGIN + row * (BOX_HEIGHT + CHANNEL)


def _depths(graph: Graph) -> dict[Ref, int]:
    """The layer of each node; a node without parents lies just above its first child."""
    depth = {ref: row for row, layer in enumerate(graph.layers()) for ref in layer}
    for ref in graph.nodes:
        below = [depth[edge.target] for edge in graph.children(ref)]
        if below and not graph.parents(ref):
            depth[ref] = min(below) - 1
    return depth


def _with_passages(graph: Graph, depth: dict[Ref, int]) -> tuple[list[list[Place]], Joins]:
    """Layers with a place for every arrow that passes, and the joins between adjacent layers."""
    layers: list[list[Place]] = [[] for _ in range(1 + max(depth.values()))]
    for ref, row in depth.items():
        layers[row].append(Place(row, ref))
    joins: Joins = []
    for edge in graph.edges.values():
        above = Place(depth[edge.source], edge.source)
        for row in range(above.row + 1, depth[edge.target]):
            passage = Place(row, edge.source, edge.target)
            layers[row].append(passage)
            joins.append((above, passage))
            above = passage
        joins.append((above, Place(depth[edge.target], edge.target)))
    return layers, joins


def _settle(layers: list[list[Place]], joins: Joins) -> dict[Place, float]:
    """The centre of every place: sweeps down and up move each near what it joins, without overlap."""
    over, beside = defaultdict[Place, list[Place]](list), defaultdict[Place, list[Place]](list)
    for above, below in joins:
        over[below].append(above)
        beside[above].append(below)
        beside[below].append(above)
    centres: dict[Place, float] = {}
    for layer in layers:
        wanted = {place: _mean(over[place], centres, number * GAP) for number, place in enumerate(layer)}
        _spread(layer, wanted, centres)
    for sweep in range(SWEEPS):
        straight = _tracks(layers, centres) if sweep >= SWEEPS // 2 else {}
        for layer in layers if sweep % 2 else reversed(layers):
            near = {place: straight.get(place, _mean(beside[place], centres, centres[place])) for place in layer}
            _spread(layer, {place: GRAVITY * wanted for place, wanted in near.items()}, centres)
    _straighten(layers, joins, centres)
    return centres


def _straighten(layers: list[list[Place]], joins: Joins, centres: dict[Place, float]) -> None:
    """Put an only child right under its only parent, where there is room."""
    leaving, coming = Counter(above for above, _ in joins), Counter(below for _, below in joins)
    for above, below in sorted(joins, key=lambda join: join[0].row):
        at = centres[above]
        others = [other for other in layers[below.row] if other != below]
        is_free = all(abs(centres[other] - at) >= (other.width + below.width) / 2 + GAP / 2 for other in others)
        if leaving[above] == coming[below] == 1 and is_free:
            centres[below] = at


def _tracks(layers: list[list[Place]], centres: dict[Place, float]) -> dict[Place, float]:
    """One centre for all passages of an arrow, so that it runs as straight as the boxes allow."""
    passages = defaultdict[tuple[Ref, Ref], list[Place]](list)
    for layer in layers:
        for place in layer:
            if place.target is not None:
                passages[place.ref, place.target].append(place)
    return {place: fmean(centres[other] for other in passage) for passage in passages.values() for place in passage}


def _mean(places: list[Place], centres: dict[Place, float], otherwise: float) -> float:
    known = [centres[place] for place in places if place in centres]
    return fmean(known) if known else otherwise


def _spread(layer: list[Place], wanted: dict[Place, float], centres: dict[Place, float]) -> None:
    """Order the places of a layer by their wanted centres, and put each as near to its own as possible."""
    ordered = sorted(layer, key=lambda place: (wanted[place], str(place.ref), str(place.target)))
    middles: list[float] = []
    for number, place in enumerate(ordered):
        least = middles[-1] + (ordered[number - 1].width + place.width) / 2 + GAP if middles else wanted[place]
        middles.append(max(wanted[place], least))
    back = fmean(at - wanted[place] for at, place in zip(middles, ordered, strict=True)) if ordered else 0.0
    centres.update({place: at - back for at, place in zip(middles, ordered, strict=True)})


def _wires(joins: Joins, middle: dict[Place, int]) -> list[Rectangle]:
    """The pieces of all arrows: down from a box, across at a height of its own, down to the child."""
    turns = _turns(joins, middle)
    pieces: set[Rectangle] = set()
    for above, below in joins:
        start, end, turn = middle[above], middle[below], turns[above]
        bottom = _top(above.row) + BOX_HEIGHT
        pieces.add(_down(start, bottom, turn))
        pieces.add(Rectangle(min(start, end) - WIRE // 2, turn, abs(end - start) + WIRE, WIRE))
        pieces.add(_down(end, turn, _top(below.row)))
        if below.target is not None:
            pieces.add(_down(end, _top(below.row), _top(below.row) + BOX_HEIGHT))
    return sorted(pieces, key=lambda piece: (piece.top, piece.left))


def _down(x: int, top: int, bottom: int) -> Rectangle:
    return Rectangle(x - WIRE // 2, top, WIRE, bottom - top)


def _turns(joins: Joins, middle: dict[Place, int]) -> dict[Place, int]:
    """The height at which the arrows of each place turn: one height for each place of a layer."""
    by_row = defaultdict[int, set[Place]](set)
    for above, _ in joins:
        by_row[above.row].add(above)
    turns: dict[Place, int] = {}
    for row, places in by_row.items():
        ordered = sorted(places, key=lambda place: (middle[place], str(place.ref), str(place.target)))
        for number, place in enumerate(ordered, 1):
            turns[place] = _top(row) + BOX_HEIGHT + round(number * (CHANNEL - 14) / (len(ordered) + 1))
    return turns
