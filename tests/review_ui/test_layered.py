"""In the layout of a lineage no boxes overlap, and every arrow runs down and around boxes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.lineage.graph import Edge, Graph, Node, NodeKind, Ref
from review_ui.figures.layered import BOX_HEIGHT, BOX_WIDTH, Rectangle, lay_out


def graph_of(count: int, pairs: set[tuple[int, int]]) -> Graph:
    """Things numbered from old to new, and arrows from lower to higher numbers."""
    refs = [Ref(NodeKind.SNAPSHOT, str(number)) for number in range(count)]
    graph = Graph(refs[0], {ref: Node(ref, ref.key) for ref in refs})
    for low, high in pairs:
        graph.edges[refs[low], refs[high]] = Edge(refs[low], refs[high])
    return graph


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 14))
    numbers = st.integers(0, count - 1)
    pairs = draw(st.sets(st.tuples(numbers, numbers).filter(lambda pair: pair[0] < pair[1]), max_size=24))
    return graph_of(count, pairs)


def overlap(one: Rectangle, other: Rectangle) -> bool:
    across = one.left < other.left + other.width and other.left < one.left + one.width
    return across and one.top < other.top + other.height and other.top < one.top + one.height


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(graph=graphs())
def test_boxes_stand_apart_and_arrows_go_around_them(graph: Graph) -> None:
    layout = lay_out(graph)
    boxes = list(layout.boxes.values())
    assert set(layout.boxes) == set(graph.nodes)
    assert not any(overlap(box, other) for place, box in enumerate(boxes) for other in boxes[:place])
    assert not any(overlap(wire, box) for wire in layout.wires for box in boxes)
    inside = [*boxes, *layout.wires]
    assert all(box.left >= 0 and box.left + box.width <= layout.width for box in boxes)
    assert all(box.top >= 0 and box.top + box.height <= layout.height for box in inside)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(graph=graphs())
def test_every_arrow_runs_down_and_has_a_head_on_what_it_leads_to(graph: Graph) -> None:
    layout = lay_out(graph)
    heads = set(layout.heads)
    for source, target in graph.edges:
        above, below = layout.boxes[source], layout.boxes[target]
        assert above.top + BOX_HEIGHT < below.top
        assert (below.left + BOX_WIDTH // 2, below.top) in heads
    assert len(heads) == len({target for _, target in graph.edges})


def test_a_chain_is_a_straight_line() -> None:
    layout = lay_out(graph_of(6, {(number, number + 1) for number in range(5)}))
    assert len({box.left for box in layout.boxes.values()}) == 1


def test_what_has_nothing_above_it_stands_just_above_what_needs_it() -> None:
    layout = lay_out(graph_of(6, {(0, 1), (1, 2), (2, 3), (4, 3), (3, 5)}))
    boxes = layout.boxes
    assert boxes[Ref(NodeKind.SNAPSHOT, "4")].top == boxes[Ref(NodeKind.SNAPSHOT, "2")].top
