"""A text model of the catalogue is added with its pooling, and tried before it is called added."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from curation.errors import BadInput, RoundsError
from curation.project import Project
from curation.verification.verify import verify_project
from tests.train.image_text.tiny import save_text_tower
from train.backbones.add import AddRequest, add_backbone
from train.backbones.catalogue import BY_NAME, Wheel
from train.backbones.text_tower import TextTower

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
MEMBER = "rounds_tiny_text/model"


def silent(line: str) -> None:
    """Take a line and say nothing."""


@pytest.fixture
def add_wheel(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Pack a folder into a wheel, give it a row of the catalogue, and add it to the project."""

    def add(model: Path, input_size: int | None = None) -> Path:
        wheel = tmp_path / "rounds_tiny_text-0.1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path in sorted(path for path in model.rglob("*") if path.is_file()):
                archive.write(path, f"{MEMBER}/{path.relative_to(model)}")
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
        row = Wheel("rounds-tiny-text", "0.1.0", sha256, MEMBER, "folder", "MIT")
        entry = replace(BY_NAME["all-minilm-l6"], name="tiny-text", id="nobody/tiny-text", wheel=row)
        monkeypatch.setitem(BY_NAME, entry.name, entry)
        added = add_backbone(project, NOW, AddRequest(entry.name, input_size=input_size, wheel=wheel), silent)
        return project.root / added.directory

    return add


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A text model that takes the first token's vector, as its folder of pooling says."""
    path = save_text_tower(tmp_path / "text")
    (path / "1_Pooling").mkdir()
    (path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    return path


def test_a_text_model_comes_with_its_pooling(project: Project, add_wheel: Callable[..., Path], model: Path) -> None:
    added = TextTower.load(add_wheel(model))
    expected = TextTower.load(model)
    assert (added.pooling, added.digest) == ("cls", expected.digest)
    assert (added.features(["ring", "left"]) == expected.features(["ring", "left"])).all()
    assert verify_project(project, lambda done, total, note: None).faults == []
    (added.directory / "1_Pooling" / "config.json").unlink()
    assert "1_Pooling/config.json is missing" in str(verify_project(project, lambda done, total, note: None).faults)


@pytest.mark.parametrize(
    ("left_out", "said"), [("model.safetensors", "expected weights"), ("tokenizer.json", "no tokenizer")]
)
def test_a_text_model_without_a_part_is_not_added(
    left_out: str, said: str, project: Project, add_wheel: Callable[..., Path], model: Path
) -> None:
    (model / left_out).unlink()
    with pytest.raises(RoundsError, match=said):
        add_wheel(model)
    assert list((project.root / "backbones").iterdir()) == []


def test_a_text_model_takes_no_input_size(add_wheel: Callable[..., Path], model: Path) -> None:
    with pytest.raises(BadInput, match="--input-size goes with an image model"):
        add_wheel(model, input_size=64)
