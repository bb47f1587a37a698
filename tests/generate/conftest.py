"""One tiny fitted generator for all tests of a run."""

from pathlib import Path

import pytest
import torch

from curation.snapshots.folder import SnapshotFolder
from tests.worlds.generators import tiny_generator


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Sums depend on the number of threads; the tests compare weights exactly."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFolder:
    """The snapshot folder on which `fitted` was fitted."""
    return SnapshotFolder.open(tiny_generator(tmp_path_factory) / "tiny")


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator fitted on `folder` by the tiny recipe."""
    return tiny_generator(tmp_path_factory) / "tiny-flow"
