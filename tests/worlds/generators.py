"""The tiny generator of the tests of fits and of the commands that draw."""

from pathlib import Path

import pytest

from tests.generate.folders import tiny_recipe, write_folder
from tests.worlds.shared import make_once


def tiny_generator(factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the snapshot folder `tiny` and the generator `tiny-flow` that was fitted on it."""
    import torch  # for those who ask for it only

    from generate.latent_flow.fit import fit_generator

    torch.set_num_threads(1)

    def make(root: Path) -> None:
        folder = write_folder(root / "tiny")
        fit_generator(folder, tiny_recipe(), root / "tiny-flow", name="tiny-flow", made_by="a test", date="2026-11-23")

    return make_once(factory, "tiny-generator", make)
