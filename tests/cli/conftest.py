"""The tiny fitted generator for the tests of commands that draw."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curation.project import Project
from tests.cli.curated import curate, train_command
from tests.cli.queueing import run
from tests.generate.folders import tiny_recipe
from tests.train.tiny import save_backbone
from tests.worlds.exports import export_world, export_worlds  # noqa: F401  (fixtures)
from tests.worlds.generators import tiny_generator
from tests.worlds.lineage import lived, lived_world  # noqa: F401  (fixtures)
from tests.worlds.privacy import privacy_world  # noqa: F401  (a fixture)
from tests.worlds.read_set import proxy_read_set_world  # noqa: F401  (a fixture)


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator fitted by the tiny recipe."""
    return tiny_generator(tmp_path_factory) / "tiny-flow"


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    return save_backbone(tmp_path / "vit")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.json"
    path.write_text(tiny_recipe().model_dump_json())
    return path


@pytest.fixture
def curated(project: Project) -> Project:
    """A project with real images of two classes in three splits, and the snapshot `real` of them."""
    return curate(project)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Project:
    """The curated project with a finished run `mine`; its tests only add to it."""
    path = tmp_path_factory.mktemp("trained")
    project = curate(make_project(path / "project"))
    run(project, *train_command(save_backbone(path / "vit"), "--adaptation", "nearest-mean"))
    return project


@pytest.fixture
def signal_handlers() -> Iterator[None]:
    """Puts back what the command sets."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
