"""One tiny fitted generator for the tests of commands that draw."""

from pathlib import Path

import pytest

from tests.generate.folders import tiny_recipe, write_folder


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator fitted by the tiny recipe; torch is imported for those who ask for it only."""
    import torch

    from generate.latent_flow.fit import fit_generator

    torch.set_num_threads(1)
    folder = write_folder(tmp_path_factory.mktemp("snapshots") / "tiny")
    out = tmp_path_factory.mktemp("generators") / "tiny-flow"
    return fit_generator(folder, tiny_recipe(), out, name="tiny-flow", made_by="a test", date="2026-11-23")
