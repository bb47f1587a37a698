"""Sixty drawn pictures that were read, beside a cohort, for the tests of set measures."""

from collections.abc import Callable
from pathlib import Path

import pytest

from curation.project import Project
from curation.tables.people import ReaderKind
from curation.tables.reading import Verdict
from tests.screening.cohort import add_drawn, person
from tests.screening.set_measures.room import DRAWN, cohort_with_notice, images_of, read
from tests.worlds.shared import make_once

VERDICTS = [Verdict.ACCEPT, Verdict.ACCEPT, Verdict.ACCEPT, Verdict.REJECT, Verdict.UNSURE] * 12
MakeProject = Callable[[Path], Project]


@pytest.fixture(scope="session")
def cohort_with_notice_world(tmp_path_factory: pytest.TempPathFactory, make_project: MakeProject) -> Path:
    """Eighty training and forty-eight validation subjects."""

    def make(root: Path) -> None:
        project = make_project(root)
        cohort_with_notice(project)
        project.database.dispose()

    return make_once(tmp_path_factory, "cohort-with-notice", make)


@pytest.fixture(scope="session")
def read_set_world(tmp_path_factory: pytest.TempPathFactory, make_project: MakeProject) -> Path:
    """The same with batch 1 of sixty fresh pictures: 36 approved, 12 rejected, 12 unresolved."""
    return _read_set(tmp_path_factory, make_project, ReaderKind.HUMAN)


@pytest.fixture(scope="session")
def proxy_read_set_world(tmp_path_factory: pytest.TempPathFactory, make_project: MakeProject) -> Path:
    """The same, read by a proxy."""
    return _read_set(tmp_path_factory, make_project, ReaderKind.PROXY)


def _read_set(factory: pytest.TempPathFactory, make_project: MakeProject, kind: ReaderKind) -> Path:
    def make(root: Path) -> None:
        project = make_project(root)
        cohort_with_notice(project)
        batch_id = add_drawn(project, [person(number) for number in DRAWN])
        read(project, images_of(project, batch_id), VERDICTS, kind=kind)
        project.database.dispose()

    return make_once(factory, f"set-read-by-{kind.value}", make)
