"""Fixtures of the backbone tests."""

from pathlib import Path

import pytest

from tests.models import one_thread, tiny_vit  # noqa: F401  (fixtures)
from tests.train.backbones.wheels import write_onnx, write_wheel


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A tiny wheel with a tiny network in an ONNX file."""
    (tmp_path / "made").mkdir()
    write_onnx(tmp_path / "made" / "tiny.onnx")
    return write_wheel(tmp_path / "wheels", tmp_path / "made" / "tiny.onnx")
