"""The lineage is walked both ways from anything, through every generation, by sums and never by rows."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from curation.errors import BadInput, NotFound
from curation.lineage.descent import find_subject
from curation.lineage.graph import Graph, NodeKind, Ref
from curation.lineage.naming import find_node
from curation.lineage.walk import Direction, as_dot, list_members, walk
from curation.project import Project
from curation.reading.outcomes import recompute_outcomes
from curation.reading.slots import slot_values
from curation.snapshots.mix import MixRecipe
from curation.tables.images import BuildStatus, Image, Origin, Subject
from curation.tables.people import Reader, ReaderKind, Role
from curation.tables.reading import Assignment, AssignmentState, Purpose, Reading, Verdict, Worklist, WorklistItem
from curation.tables.training import Snapshot
from curation.withdrawal.withdraw import withdraw
from tests.operation_ids import new_op_id
from tests.rows import NOW
from tests.worlds.lineage import add_run, draw, fill, fit, snapshot

EVERYTHING = [
    "subject:s0",
    "image:1",
    "image:20",
    "import:1",
    "generator:g1",
    "generator:g3",
    "batch:2",
    "snapshot:base",
    "snapshot:fourth",
    "run:other",
    "study:trial",
    "report:trial",
]


CROOKED = ["image:", "image:-1", "image:9" * 20, f"image:{'9' * 30}", "batch:x", ":", "a:b:c", "batch:٣"]


def graph_of(project: Project, node: str, direction: Direction = "both") -> Graph:
    with project.database.read() as session:
        return walk(session, find_node(session, node), direction)


def names(graph: Graph) -> set[str]:
    return {str(ref) for ref in graph.nodes}


def test_from_a_subject_down_to_the_report(lived: Project) -> None:
    result = names(graph_of(lived, "subject:s0", "down"))
    assert {"images:subject/s0", "snapshot:base", "generator:g3", "batch:3", "images:batch/3"} <= result
    assert {"run:direct", "run:other", "study:trial", "report:study/trial"} <= result


def test_from_the_report_up_to_the_subjects(lived: Project) -> None:
    result = names(graph_of(lived, "report:trial", "up"))
    assert {"snapshot:base", "snapshot:third", "generator:g2", "generator:g1", "import:1"} <= result
    assert "subjects:import/1" in result
    assert "generator:g3" not in result


def test_a_subject_that_was_held_out_leads_to_no_generator(lived: Project) -> None:
    result = graph_of(lived, "subject:s40", "down").nodes
    assert not [ref for ref in result if ref.kind in (NodeKind.GENERATOR, NodeKind.BATCH)]
    assert Ref(NodeKind.SNAPSHOT, "fourth") in result
    assert Ref(NodeKind.RUN, "direct") in result


def test_a_run_on_the_model_of_another_run_descends_from_what_that_one_saw(lived: Project) -> None:
    add_run(lived, "grandchild", "base", backbone=str(lived.root / "runs" / "other" / "model"))
    result = names(graph_of(lived, "run:grandchild", "up"))
    assert {"run:other", "run:direct", "snapshot:third", "generator:g2"} <= result
    assert "run:grandchild" in names(graph_of(lived, "generator:g1", "down"))


@pytest.mark.slow
@pytest.mark.parametrize("node", ["subject:s0", "import:1", "generator:g1", "batch:2", "run:direct"])
def test_every_arrow_found_going_down_is_found_going_up(lived: Project, node: str) -> None:
    down = graph_of(lived, node, "down")
    start = find_ref(lived, node)
    for ref in [
        ref for ref in down.nodes if ref.kind in (NodeKind.SNAPSHOT, NodeKind.GENERATOR, NodeKind.RUN, NodeKind.STUDY)
    ]:
        back = graph_of(lived, str(ref), "up")
        if start.kind not in (NodeKind.SUBJECT, NodeKind.IMAGE):
            assert start in back.nodes, (node, str(ref))
        assert Ref(NodeKind.IMPORT, "1") in back.nodes


def find_ref(project: Project, node: str) -> Ref:
    with project.database.read() as session:
        return find_node(session, node)


@pytest.mark.slow
@pytest.mark.parametrize("node", EVERYTHING)
def test_arrows_run_to_later_layers_and_every_node_stands_in_one(lived: Project, node: str) -> None:
    graph = graph_of(lived, node)
    layers = graph.layers()
    place = {ref: number for number, layer in enumerate(layers) for ref in layer}
    assert sorted(map(str, place)) == sorted(names(graph))
    assert all(place[edge.source] < place[edge.target] for edge in graph.edges.values())


@pytest.mark.slow
def test_readings_and_outcomes_stand_between_a_worklist_and_a_snapshot(project: Project) -> None:
    fill(project)
    base = snapshot(project, "base")
    fit(project, "g1", base, base.rows("train"), "1")
    images = draw(project, "g1", 10_000)
    read(project, images)
    snapshot(project, "approved", MixRecipe(), 5)
    graph = graph_of(project, "snapshot:approved", "up")
    chain = ["images:batch/1", "worklist:w", "readings:worklist/w", "outcomes:worklist/w", "snapshot:approved"]
    arrows = {(str(edge.source), str(edge.target)): edge.what for edge in graph.edges.values()}
    assert all(pair in arrows for pair in pairwise(chain))
    assert arrows["outcomes:worklist/w", "snapshot:approved"] == "2 approved"
    assert graph.nodes[Ref(NodeKind.READINGS, "worklist/w")].facts == ("4 by 1 person",)
    graph = graph_of(project, f"image:{images[0]}", "down")
    assert {f"readings:image/{images[0]}", f"outcomes:image/{images[0]}", "snapshot:approved"} <= names(graph)


def read(project: Project, images: list[int]) -> None:
    """Four candidates read by one person: the first two accepted."""
    with project.database.write() as session:
        reader = Reader(name="r", kind=ReaderKind.HUMAN, role=Role.READER, created_at=NOW)
        worklist = Worklist(
            name="w", status=BuildStatus.READY, question="?", label_shown=True, readers_per_image=1,
            rule={"kind": "single", "readers": 1}, classes=["a", "b"], reasons=[], recipe={}, size=4, created_at=NOW,
        )  # fmt: skip
        session.add_all([reader, worklist])
        session.flush()
        for position, image in enumerate(images):
            item = WorklistItem(worklist_id=worklist.id, image_id=image, purpose=Purpose.CANDIDATE, position=position)
            session.add(item)
            session.flush()
            done = {"state": AssignmentState.DONE, "reader_id": reader.id}
            slot = Assignment(**(slot_values(worklist.id, item.id, position, 0) | done))
            session.add(slot)
            session.flush()
            verdict = Verdict.ACCEPT if position < 2 else Verdict.REJECT
            of = {"assignment_id": slot.id, "item_id": item.id, "reader_id": reader.id, "reasons": []}
            session.add(Reading(op_id=new_op_id(), verdict=verdict, **of, read_at=NOW, created_at=NOW))
        session.flush()
        recompute_outcomes(session, worklist.id)


def test_what_was_fitted_elsewhere_is_named_as_such(project: Project) -> None:
    fill(project)
    base = snapshot(project, "base")
    fit(project, "g1", base, base.rows("train"), "1")
    with project.database.write() as session:
        session.scalars(select(Snapshot)).one().digest = "0" * 64  # as if another snapshot had that name here
    assert "elsewhere:snapshot base" in names(graph_of(project, "generator:g1", "up"))


def test_an_affected_node_says_so_in_the_graph_and_in_dot(lived: Project) -> None:
    withdraw(lived, NOW, "s0", "")
    graph = graph_of(lived, "study:trial")
    assert graph.nodes[Ref(NodeKind.SNAPSHOT, "base")].affected == "AFFECTED by withdrawal 1 (2026-11-23)"
    dot = as_dot(graph)
    assert '"snapshot:base" -> "run:direct"' not in dot
    assert '"snapshot:base" -> "study:trial"' in dot
    assert "AFFECTED" in dot
    assert "WITHDRAWN 2026-11-23" in graph_of(lived, "subject:s0").nodes[Ref(NodeKind.SUBJECT, "s0")].facts


def test_a_group_lists_its_members_when_asked(lived: Project) -> None:
    with lived.database.read() as session:
        assert len(list(list_members(session, Ref(NodeKind.IMAGES, "batch/1")))) == 4
        assert next(list_members(session, Ref(NodeKind.SUBJECTS, "import/1"))) == "subject s0: train"
        assert list(list_members(session, Ref(NodeKind.SNAPSHOT, "base"))) == []


def test_no_walk_reads_images_row_by_row(lived: Project) -> None:
    rows = [0]

    def count(*_: object) -> None:
        rows[0] += 1

    with lived.database.write() as session:
        for number in range(300):
            digest = f"{number:064d}"
            size = {"height": 8, "width": 8, "channels": 1, "bits": 8}
            of = {"origin": Origin.SYNTHETIC, "batch_id": 1, "batch_index": 100 + number}
            session.add(Image(file_sha256=digest, pixel_sha256=digest, created_at=NOW, **of, **size))
    event.listen(Image, "load", count)
    try:
        graph = graph_of(lived, "generator:g1")
    finally:
        event.remove(Image, "load", count)
    assert graph.nodes[Ref(NodeKind.IMAGES, "batch/1")].title == "304 synthetic images"
    assert rows == [0]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=30) | st.sampled_from(["image:", "image:-1", "image:9" * 20, "batch:x", ":", "a:b:c", "٣"])
)
def test_what_names_nothing_is_refused_with_a_word(lived: Project, text: str) -> None:
    with lived.database.read() as session, pytest.raises((BadInput, NotFound)):
        find_node(session, text)


def test_a_pasted_name_means_the_same_without_the_marks_that_nobody_sees(lived: Project) -> None:
    with lived.database.read() as session:
        key = session.scalars(select(Subject.key).order_by(Subject.id)).first()
        assert find_node(session, f"\ufeff subject:\u200b{key}\u200e ") == Ref(NodeKind.SUBJECT, str(key))
        assert find_subject(session, f"\ufeff{key} \u200b").key == key
        with pytest.raises(BadInput, match="expected a node"):
            find_node(session, "subject:a\nb")


def test_a_bare_name_will_do_where_only_one_thing_has_it(lived: Project) -> None:
    assert find_ref(lived, "g2") == Ref(NodeKind.GENERATOR, "g2")
    add_run(lived, "base", "base")
    with pytest.raises(NotFound, match="snapshot:base, run:base"):
        find_ref(lived, "base")
