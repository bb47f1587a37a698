"""The page of lineage is escaped and linked, and hides subjects from roles that may not see them."""

from pathlib import Path

import pytest

from curation.errors import BadInput
from curation.lineage.graph import Edge, Graph, Node, NodeKind, Ref
from curation.lineage.naming import find_node
from curation.lineage.walk import walk
from curation.project import Project
from curation.tables.people import Role
from curation.withdrawal.withdraw import withdraw
from review_ui.security.permissions import CAPABILITIES, Capability
from review_ui.views.lineage import (
    arrow_table,
    find_start,
    lineage_figure,
    node_address,
    starting_points,
    without_subjects,
)
from tests.rows import NOW
from tests.worlds.lineage import fill, fit, snapshot


@pytest.fixture
def small(tmp_path: Path, make_project) -> Project:  # type: ignore[no-untyped-def]
    """One snapshot and a generator fitted on it."""
    made: Project = make_project(tmp_path / "small")
    fill(made)
    base = snapshot(made, "base")
    fit(made, "g1", base, base.rows("train"), "1")
    return made


def test_every_box_of_the_project_is_a_link_that_leads_to_a_start(small: Project) -> None:
    with small.database.read() as session:
        graph = walk(session, find_node(session, "snapshot:base"))
        drawn = lineage_figure(graph)
        assert drawn.count('class="r-node"') == len(graph.nodes)
        for ref in graph.nodes:
            link = node_address(ref)
            assert link is not None
            node = link.partition("node=")[2].replace("%3A", ":")
            find_node(session, node)
        assert set(starting_points(session)) == {"snapshot:base", "generator:g1", "import:1"}


def test_what_is_affected_says_so_in_words_in_the_picture_and_in_the_table(small: Project) -> None:
    withdraw(small, NOW, "s0", "")
    with small.database.read() as session:
        graph = walk(session, find_node(session, "snapshot:base"))
    assert lineage_figure(graph).count("AFFECTED by withdrawal 1</em>") == 2
    assert "snapshot base, AFFECTED by withdrawal 1" in arrow_table(graph)


def test_texts_of_the_database_are_escaped() -> None:
    evil = Ref(NodeKind.ELSEWHERE, "<img src=x onerror=alert(1)>")
    node = Node(evil, evil.key, ("<b>fact</b>",), "AFFECTED <i>")
    start = Ref(NodeKind.SNAPSHOT, 'a"b')
    graph = Graph(start, {start: Node(start, 'a"b'), evil: node}, {(evil, start): Edge(evil, start, "<u>what</u>")})
    drawn = lineage_figure(graph) + arrow_table(graph)
    for tag in ("<img", "<b>fact", "<i>", "<u>what"):
        assert tag not in drawn
    assert 'href="/lineage?node=snapshot%3Aa%22b"' in drawn


def test_a_group_leads_to_what_it_belongs_to_and_what_is_elsewhere_to_nothing() -> None:
    expected = {
        Ref(NodeKind.IMAGES, "batch/3"): "batch%3A3",
        Ref(NodeKind.READINGS, "worklist/a/b"): "worklist%3Aa%2Fb",
        Ref(NodeKind.REPORT, "run/r/test"): "run%3Ar",
        Ref(NodeKind.REPORT, "study/s"): "study%3As",
    }
    assert {ref: node_address(ref) for ref in expected} == {
        ref: f"/lineage?node={one}" for ref, one in expected.items()
    }
    assert node_address(Ref(NodeKind.ELSEWHERE, "backbone x")) is None


@pytest.mark.slow
def test_curators_see_the_picture_without_single_subjects(small: Project) -> None:
    with small.database.read() as session:
        graph = without_subjects(walk(session, find_node(session, "image:1")))
    assert not [ref for ref in graph.nodes if ref.kind is NodeKind.SUBJECT]
    assert "s0" not in lineage_figure(graph) + arrow_table(graph)
    with small.database.read() as session:
        for text in ("subject:s0", "subject:nobody", "s0", "base", "\u200bsubject\ufeff:s0"):
            with pytest.raises(BadInput, match="your role does not see single subjects"):
                find_start(session, text, subjects=False)
        assert find_start(session, "subject:s0", subjects=True) == Ref(NodeKind.SUBJECT, "s0")
        assert find_start(session, "snapshot:base", subjects=False) == Ref(NodeKind.SNAPSHOT, "base")
    may_see = {role for role in Role if Capability.SEE_LINEAGE in CAPABILITIES[role]}
    assert may_see == {Role.PRIVACY, Role.CURATOR, Role.ADMINISTRATOR}
    may_see_subjects = {role for role in Role if Capability.SEE_SUBJECTS in CAPABILITIES[role]}
    assert may_see_subjects == {Role.PRIVACY, Role.ADMINISTRATOR}
