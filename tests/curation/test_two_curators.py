"""Of two curators who do the same at once one wins, the other is told, and nothing is half-done."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from curation.errors import Conflict, RoundsError
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.progress import silent
from curation.project import Project
from curation.queries import find_or_add_labels
from curation.reading.recipe import WorklistRecipe
from curation.reading.worklist import find_worklist
from curation.snapshots.build import build_snapshot
from curation.snapshots.mix import MixRecipe
from curation.tables.generation import Generator
from curation.tables.images import Image, Import, Label, Split
from curation.tables.operations import Event
from curation.tables.reading import Worklist, WorklistItem
from curation.tables.training import Snapshot
from curation.verification.verify import verify_project
from curation.worklists.create import close_worklist, create_worklist
from curation.worklists.manage import change_rule, set_readers
from generate.batch_request import request_batch
from generate.request import GenerationRequest
from tests.rows import NOW, picture
from tests.worlds.either_database import copy_either
from tests.worlds.lived_in import lived_in_world

CURATORS = 4


@pytest.fixture
def shared(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[Project]:
    project = copy_either(request, *lived_in_world(6), tmp_path / "project")
    yield project
    assert verify_project(project, silent).faults == []
    project.database.dispose()


def at_once(project: Project, *acts: Callable[[Project], Any]) -> list[Any]:
    """Each act by a curator with an own connection, all starting together; an error meant for the user is a result."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[Project], Any]) -> Any:
        project_of_own = Project.open(project.root)
        start.wait()
        try:
            return act(project_of_own)
        except RoundsError as error:
            return error
        finally:
            project_of_own.database.dispose()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def kinds(project: Project) -> list[str]:
    with project.database.read() as session:
        return list(session.scalars(select(Event.kind)))


def build(name: str, **recipe: Any) -> Callable[[Project], Any]:
    return lambda project: build_snapshot(project, name, MixRecipe(synthetic="none", **recipe), NOW, silent)


@pytest.mark.slow
def test_snapshots_of_other_names_are_both_built(shared: Project) -> None:
    results = at_once(shared, build("one"), build("two"))
    assert not [result for result in results if isinstance(result, RoundsError)], results
    with shared.database.read() as session:
        assert set(session.scalars(select(Snapshot.name))) == {"first", "one", "two"}


def test_of_snapshots_of_one_name_one_is_built_and_the_others_are_told(shared: Project) -> None:
    results = at_once(shared, *[build("same")] * CURATORS)
    assert all(isinstance(result, Conflict) for result in results if isinstance(result, RoundsError))
    assert any(not isinstance(result, RoundsError) for result in results)
    assert kinds(shared).count("snapshot.built") == 2  # this one, and the first


@pytest.mark.slow
def test_of_two_mixes_under_one_name_the_folder_is_that_of_the_row(shared: Project) -> None:
    results = at_once(shared, build("same"), build("same", real_per_class=1), build("same", real_per_class=2))
    built = [result for result in results if not isinstance(result, RoundsError)]
    assert len(built) == 1
    assert all(isinstance(result, Conflict) for result in results if result is not built[0])


@pytest.mark.slow
def test_of_two_imports_the_second_is_told_to_wait_and_adds_nothing_twice(shared: Project) -> None:
    def bring(project: Project) -> Any:
        items = [IncomingImage(f"n{n}.png", picture(500 + n, 64), "normal", f"q{n}", Split.TRAIN) for n in range(8)]
        return import_source(project, NOW, Source("new", "new", items, 8))

    results = at_once(shared, *[bring] * CURATORS)
    refused = [result for result in results if isinstance(result, RoundsError)]
    assert all("another import is running in this project, or a withdrawal" in str(result) for result in refused)
    assert sum(result.added for result in results if not isinstance(result, RoundsError)) == 8
    with shared.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Import)) == 2
        assert session.scalar(select(func.count()).where(Image.import_id == 2)) == 8


@pytest.mark.slow
def test_of_worklists_of_one_name_one_is_made_whole(shared: Project) -> None:
    def make(project: Project) -> Any:
        with project.database.write() as session:
            return create_worklist(session, project.chain, NOW, WorklistRecipe(name="again")).id

    results = at_once(shared, *[make] * CURATORS)
    assert len([result for result in results if not isinstance(result, RoundsError)]) == 1, results
    assert all(isinstance(result, Conflict) for result in results if isinstance(result, RoundsError))
    with shared.database.read() as session:
        [again] = session.scalars(select(Worklist).where(Worklist.name == "again"))
        assert session.scalar(select(func.count()).where(WorklistItem.worklist_id == again.id)) == again.size
    assert kinds(shared).count("worklist.created") == 2


@pytest.mark.slow
def test_two_who_close_a_worklist_close_it_once(shared: Project) -> None:
    def close(project: Project) -> Any:
        with project.database.write() as session:
            close_worklist(session, project.chain, NOW, "w")
            return find_worklist(session, "w").closed_at

    assert at_once(shared, *[close] * CURATORS) == [NOW] * CURATORS
    assert kinds(shared).count("worklist.closed") == 1


@pytest.mark.slow
def test_who_reads_and_the_rule_are_those_of_one_curator(shared: Project) -> None:
    def readers(*names: str) -> Callable[[Project], Any]:
        def act(project: Project) -> Any:
            with project.database.write() as session:
                return set_readers(session, project.chain, NOW, "w", names).id

        return act

    def rule(kind: str, count: int) -> Callable[[Project], Any]:
        def act(project: Project) -> Any:
            with project.database.write() as session:
                return change_rule(session, project.chain, NOW, "w", kind, count)

        return act

    results = at_once(shared, readers("r0"), readers("r0", "r1"), rule("majority", 3), rule("unanimous", 2))
    assert all(isinstance(result, Conflict) for result in results if isinstance(result, RoundsError)), results
    with shared.database.read() as session:
        worklist = session.get_one(Worklist, 1)
        assert worklist.rule["readers"] == worklist.readers_per_image


@pytest.mark.slow
def test_identical_requests_are_one_batch(shared: Project) -> None:
    with shared.database.write() as session:
        generator = session.scalars(select(Generator)).one()
        with shared.chain.change(session, "generator.added", generator, {}, NOW):
            generator.card = {"classes": ["normal"], "fitted_on": {}}
    request = GenerationRequest(generator="tiny", counts={"normal": 3}, seed=1)

    def ask(project: Project) -> Any:
        with project.database.write() as session:
            batch, job = request_batch(session, project.chain, NOW, request)
            return batch.id, job.id

    results = at_once(shared, *[ask] * CURATORS)
    assert len(set(results)) == 1, results
    assert kinds(shared).count("batch.requested") == 2  # this one, and that of the world


def test_workers_that_meet_a_new_class_at_once_share_its_row(shared: Project) -> None:
    def name_it(project: Project) -> Any:
        with project.database.write() as session:
            return find_or_add_labels(session, {"never seen", "normal"})["never seen"]

    results = at_once(shared, *[name_it] * CURATORS)
    with shared.database.read() as session:
        [only] = session.scalars(select(Label.id).where(Label.name == "never seen"))
    assert results == [only] * CURATORS
