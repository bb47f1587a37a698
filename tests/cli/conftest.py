"""The tiny fitted generator for the tests of commands that draw."""

from pathlib import Path

import pytest

from tests.worlds.exports import export_world, export_worlds  # noqa: F401  (fixtures)
from tests.worlds.generators import tiny_generator
from tests.worlds.lineage import lived, lived_world  # noqa: F401  (fixtures)
from tests.worlds.privacy import privacy_world  # noqa: F401  (a fixture)
from tests.worlds.read_set import proxy_read_set_world  # noqa: F401  (a fixture)


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator fitted by the tiny recipe."""
    return tiny_generator(tmp_path_factory) / "tiny-flow"
