"""The tiny backbone of the tests of screening and of backbones, and one thread for them."""

from pathlib import Path

import pytest
import torch

from tests.train.tiny import save_backbone


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ViT of two layers in transformers layout."""
    return save_backbone(tmp_path_factory.mktemp("backbones") / "tiny-vit")
