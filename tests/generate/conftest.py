"""One tiny fitted generator for all tests of a session."""

from pathlib import Path

import pytest
import torch

from curation.snapshots.folder import SnapshotFolder
from generate.latent_flow.fit import fit_generator
from tests.generate.folders import tiny_recipe, write_folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Sums depend on the number of threads; the tests compare weights exactly."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFolder:
    return write_folder(tmp_path_factory.mktemp("snapshots") / "tiny")


@pytest.fixture(scope="session")
def fitted(folder: SnapshotFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator fitted on `folder` by the tiny recipe."""
    out = tmp_path_factory.mktemp("generators") / "tiny-flow"
    return fit_generator(folder, tiny_recipe(), out, name="tiny-flow", made_by="a test", date="2026-11-23")
