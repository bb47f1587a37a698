"""A proxy reads what a person could read, beside people, and is marked as a model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from curation.errors import BadInput
from curation.progress import silent
from curation.project import Project
from curation.reading.claims import claim
from curation.reading.progress import progress_of
from curation.reading.recipe import WorklistRecipe
from curation.reading.worklist import find_worklist
from curation.tables.images import Image
from curation.tables.people import Reader, ReaderKind
from curation.tables.reading import Outcome, OutcomeVerdict, Reading, WorklistItem
from curation.verification.verify import verify_project
from curation.worklists.create import create_worklist
from screening.proxy import read_worklist_by_proxy
from screening.run import screen_batch
from tests.copies import copied
from tests.curation.reading_room import add_person
from tests.rows import NOW
from tests.screening.cohort import CLASSES, add_drawn, person
from tests.worlds.recorded import record_rows
from tests.worlds.shared import copy_world

TRUE, SWAPPED = range(3_000, 3_012), range(3_012, 3_024)


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory, cohort_world: Path, tiny_vit: Path) -> Project:
    """A worklist of twelve candidates of the class asked for, and twelve of the other class; made once."""
    project = Project.open(copy_world(cohort_world, tmp_path_factory.mktemp("to_read") / "project"))
    pictures = [person(number) for number in (*TRUE, *SWAPPED)]
    labels = [CLASSES[number % 2] for number in TRUE] + [CLASSES[1 - number % 2] for number in SWAPPED]
    screen_batch(project, add_drawn(project, pictures, labels), NOW, silent, str(tiny_vit))
    with project.database.write() as session:
        create_worklist(session, project.chain, NOW, WorklistRecipe(name="w", seed=1))
    record_rows(project)
    return project


@pytest.fixture
def to_read(screened: Project, tmp_path: Path) -> Iterator[Project]:
    """A copy of it of this test's own."""
    made = copied(screened, tmp_path / "project")
    yield made
    made.database.dispose()


def readings(project: Project) -> list[Reading]:
    with project.database.read() as session:
        return list(session.scalars(select(Reading).order_by(Reading.id)))


@pytest.mark.slow
def test_it_accepts_the_class_that_was_asked_for_and_rejects_the_other(to_read: Project, tiny_vit: Path) -> None:
    facts = read_worklist_by_proxy(to_read, "w", NOW, silent, str(tiny_vit))
    total = find(to_read)
    assert sum(facts["readings"].values()) == total
    assert sum(facts["of real validation images"].values()) == 48
    assert facts["features"] == "tiny-vit"
    assert facts["of real validation images"]["accept"] >= 30
    with to_read.database.read() as session:
        query = select(Image.batch_index, Reading).join(WorklistItem, WorklistItem.image_id == Image.id)
        read = session.execute(query.join(Reading, Reading.item_id == WorklistItem.id))
        verdicts = {index: (reading.verdict.value, reading.reasons) for index, reading in read}
        outcomes = list(session.scalars(select(Outcome)))
    wrong_class = [index for index, (_, reasons) in verdicts.items() if reasons == ["wrong_class"]]
    assert set(wrong_class) >= {index for index in range(12, 24) if index in verdicts}
    accepted = [index for index, (verdict, _) in verdicts.items() if verdict == "accept"]
    assert len(accepted) >= 8
    assert set(accepted) <= set(range(12))
    assert all(outcome.proxy_only for outcome in outcomes)
    assert {outcome.verdict for outcome in outcomes} >= {OutcomeVerdict.APPROVED, OutcomeVerdict.REJECTED}


def find(project: Project) -> int:
    with project.database.read() as session:
        return find_worklist(session, "w").size


@pytest.mark.slow
def test_it_is_marked_as_a_model_and_cannot_sign_in(to_read: Project, tiny_vit: Path) -> None:
    facts = read_worklist_by_proxy(to_read, "w", NOW, silent, str(tiny_vit))
    with to_read.database.read() as session:
        reader = session.scalars(select(Reader)).one()
    assert reader.kind is ReaderKind.PROXY
    assert reader.name == facts["reader"]
    assert reader.name.startswith("proxy tiny-vit")
    assert reader.password_hash is None


@pytest.mark.slow
def test_it_takes_no_image_from_people(to_read: Project, tiny_vit: Path) -> None:
    read_worklist_by_proxy(to_read, "w", NOW, silent, str(tiny_vit))
    with to_read.database.write() as session:
        alice = add_person(session, "alice")
        worklist = find_worklist(session, "w")
        assert progress_of(session, alice, worklist.id).left == worklist.size
        assert len(claim(session, NOW, alice, worklist.id, 100)) == worklist.size


@pytest.mark.slow
def test_stopped_in_the_middle_it_goes_on_and_reads_nothing_twice(to_read: Project, tiny_vit: Path) -> None:
    def stop(done: int, total: int, note: str | None) -> None:
        if note is None and done == 5:
            raise Killed

    with pytest.raises(Killed):
        read_worklist_by_proxy(to_read, "w", NOW, stop, str(tiny_vit))
    assert len(readings(to_read)) == 5
    read_worklist_by_proxy(to_read, "w", NOW, silent, str(tiny_vit))
    read = readings(to_read)
    assert len({reading.assignment_id for reading in read}) == len(read) == find(to_read)
    again = read_worklist_by_proxy(to_read, "w", NOW, silent, str(tiny_vit))
    assert again["readings"] == {}
    assert verify_project(to_read, silent).faults == []


@pytest.mark.slow
def test_it_refuses_a_worklist_that_hides_the_class_and_a_cohort_without_classes(
    to_read: Project, tiny_vit: Path
) -> None:
    with to_read.database.write() as session:
        create_worklist(session, to_read.chain, NOW, WorklistRecipe(name="blind", label_shown=False))
    with pytest.raises(BadInput, match="hides the class"):
        read_worklist_by_proxy(to_read, "blind", NOW, silent, str(tiny_vit))
