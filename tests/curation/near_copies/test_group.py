"""Subjects whose images look like copies become one subject, and what is in use stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from curation.lineage.naming import find_node
from curation.near_copies.find import find_near_copies
from curation.near_copies.group import Bound, _groups, bind_subjects, find_alike_subjects
from curation.near_copies.on_record import count_near_copies
from curation.progress import silent
from curation.project import Project
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.images import Image, Split, Subject
from curation.tables.operations import Event
from curation.verification.verify import verify_project
from curation.withdrawal.withdraw import withdraw
from tests.curation.near_copies.scans import Entry, import_scans, leaky
from tests.rows import NOW


def bind(project: Project) -> Bound:
    bound = bind_subjects(project, NOW, find_alike_subjects(project, silent), across_splits=True)
    find_near_copies(project, NOW)
    return bound


def subjects(session: Session) -> dict[str, tuple[str, int]]:
    """The split and the number of images of each subject."""
    query = select(Subject.key, Subject.split, Image.id).join(Image, Image.subject_id == Subject.id)
    rows = session.execute(query).all()
    keys = [row.key for row in rows]
    return {row.key: (row.split.value, keys.count(row.key)) for row in rows}


@pytest.mark.slow
def test_a_group_goes_to_its_first_split_and_nothing_held_out_looks_like_training_afterwards(project: Project) -> None:
    import_scans(project, leaky())
    bound = bind(project)
    assert (bound.groups, bound.subjects, bound.in_use) == (3, 6, 0)
    assert bound.moved == {"validation to train": 1, "test to train": 1, "reserve to test": 1}
    with project.database.read() as session:
        now = subjects(session)
        assert [count.near_copies for count in count_near_copies(session)] == [0, 0]
        event = session.scalars(select(Event).where(Event.kind == "subjects.bound")).one()
    assert (now["t1"], now["t2"], now["x3"]) == (("train", 2), ("train", 2), ("test", 2))
    assert not {"v1", "x2", "r0"} & now.keys()
    assert event.payload["moved"] == dict(bound.moved)
    assert verify_project(project, silent, pixels=False, sample=None, seed=0).faults == []
    assert bind(project) == Bound()


def test_binding_seals_no_change_made_beside_the_commands(project: Project) -> None:
    import_scans(project, leaky())
    with project.database.write() as session:
        session.execute(update(Subject).where(Subject.key == "v2").values(split=Split.TEST))
    bind(project)
    [fault] = verify_project(project, silent, pixels=False, sample=None, seed=0).faults
    assert "its images were changed before event" in fault


def test_the_old_key_of_a_bound_subject_leads_to_it_in_imports_lineage_and_withdrawals(project: Project) -> None:
    import_scans(project, leaky())
    bind(project)
    again = import_scans(project, [("v1", 1, True, None), ("v1", 40, False, None)], "again")
    assert (again.added, again.already) == (1, 1)
    with project.database.read() as session:
        assert subjects(session)["t1"] == ("train", 3)
        assert find_node(session, "subject:v1").key == "t1"
    assert withdraw(project, NOW, "v1", "asked to").images == 3
    assert "withdrawn" in import_scans(project, [("v1", 41, False, None)], "once more").rejected[0].reason


def test_what_a_snapshot_uses_is_left_and_counted(project: Project) -> None:
    import_scans(project, leaky())
    build_snapshot(project, "first", MixRecipe(synthetic="none"), NOW, silent)
    bound = bind(project)
    assert (bound.in_use, bound.groups) == (3, 0)
    with project.database.read() as session:
        assert subjects(session)["v1"] == ("validation", 1)
        assert session.scalars(select(Event).where(Event.kind == "subjects.bound")).all() == []


@pytest.mark.slow
def test_the_same_picture_of_two_subjects_of_one_import_is_kept_once(project: Project) -> None:
    twice: list[Entry] = [("a", 1, False, None), ("b", 1, False, None), ("c", 2, False, None), ("d", 3, False, None)]
    assert import_scans(project, twice).added == 4
    assert (bind(project).twice, len(list((project.root / "store").rglob("*.png")))) == (1, 3)
    assert verify_project(project, silent, pixels=False, sample=None, seed=0).orphans == []


def test_an_import_with_the_option_binds_before_the_split(project: Project) -> None:
    import_scans(project, [("old", 7, False, Split.TEST)], "earlier")
    poor: list[Entry] = [(f"s{number}", number, False, None) for number in range(40)]
    poor += [(f"again-{number}", number, True, None) for number in range(0, 40, 2)]
    report = import_scans(project, poor, group=True)
    assert "42 subjects whose pictures look like copies were bound into 21." in report.notes
    with project.database.read() as session:
        now = subjects(session)
        assert [count.near_copies for count in count_near_copies(session)] == [0, 0]
    assert len(now) == 40
    assert now["old"] == ("test", 2)
    assert sorted({split for split, _ in now.values()}) == ["reserve", "test", "train", "validation"]


def test_splits_that_the_source_gives_are_kept_by_an_import_and_said(project: Project) -> None:
    report = import_scans(project, leaky(), group=True)
    assert any("3 groups of such subjects stand in several splits" in note for note in report.notes)
    with project.database.read() as session:
        assert subjects(session)["v1"] == ("validation", 1)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12))))
def test_groups_are_the_connected_ones_and_share_no_subject(pairs: list[tuple[int, int]]) -> None:
    groups = _groups(pairs)
    members = [subject for group in groups for subject in group]
    assert sorted(members) == sorted({subject for pair in pairs for subject in pair})
    where = {subject: place for place, group in enumerate(groups) for subject in group}
    assert all(where[one] == where[other] for one, other in pairs)
    assert len(groups) >= len(where) - len(pairs)
