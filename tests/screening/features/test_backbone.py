"""Screening, its error rates, the privacy gate and the proxy load their backbone where training does."""

from pathlib import Path

import pytest
import torch

import screening
from curation.project import Project
from screening.features import backbone
from screening.features.backbone import load_backbone
from train.features.feature_cache import feature_file


def test_the_backbone_goes_to_the_chosen_device_and_features_are_kept_by_its_kind(
    project: Project, tiny_vit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_processor = load_backbone(project, str(tiny_vit))
    assert on_processor.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setattr(backbone, "choose_device", lambda: "meta")  # a device that every machine has
    elsewhere = load_backbone(project, str(tiny_vit))
    assert elsewhere.device.type == "meta"
    assert elsewhere.digest == on_processor.digest
    assert len({feature_file(project.root, loaded).name for loaded in (on_processor, elsewhere)}) == 2


def test_nothing_in_screening_loads_a_backbone_past_it() -> None:
    room = Path(screening.__file__).parent
    loading = {path.name for path in room.rglob("*.py") if "Backbone.load(" in path.read_text()}
    assert loading == {"backbone.py"}
