"""The tiny towers of these tests, and one thread for them."""

from pathlib import Path

import pytest

from curation.snapshots.folder import SnapshotFolder
from tests.models import one_thread as one_thread
from tests.models import tiny_vit as tiny_vit
from tests.train.image_text.tiny import save_text_tower, save_two_towers, write_captioned_snapshot


@pytest.fixture(scope="session")
def tiny_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT with a tokenizer."""
    return save_text_tower(tmp_path_factory.mktemp("text") / "tiny-text")


@pytest.fixture(scope="session", params=["clip", "siglip"])
def two_towers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CLIP, then a random SigLIP."""
    return save_two_towers(tmp_path_factory.mktemp("both") / request.param, request.param)


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFolder:
    """Squares in three places, with captions: 120 training and 60 validation images, some test images."""
    path = tmp_path_factory.mktemp("squares") / "squares"
    return write_captioned_snapshot(path, {"train": 40, "validation": 20, "test": 3})
