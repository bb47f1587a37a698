"""A run leaves as a folder that stock libraries load, or as ONNX, to equal outputs."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from transformers import ResNetConfig, ResNetModel

from curation.audit import list_events
from curation.errors import AffectedRefused, BadInput, Conflict
from curation.project import Project
from curation.provenance.tombstones import Tombstones
from tests.cli.curated import curate, train_command
from tests.cli.queueing import run
from tests.rows import picture
from tests.train.tiny import save_backbone
from train.adaptation.run_folder import load_run
from train.model_export import onnx_file

SOAK = os.environ.get("ROUNDS_SOAK") == "1"
FAMILIES = ("logistic", "full", "lora", "ssf")
WRITTEN = (*FAMILIES, "maps") if SOAK else ("maps",)  # as ONNX: seconds each


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[[Path], Project]) -> Project:
    """A project with a run of each family on a transformer, and one on a network of maps."""
    path = tmp_path_factory.mktemp("exporting")
    project, vit = curate(make_project(path / "project")), save_backbone(path / "vit")
    torch.manual_seed(0)
    network = ResNetModel(ResNetConfig(embedding_size=16, hidden_sizes=[16, 16], depths=[1, 1], layer_type="basic"))
    maps = save_backbone(path / "maps", network)
    for name, method, backbone in [
        *((name, name, vit) for name in FAMILIES),
        ("maps", "ssf", maps),
        ("ridge", "ridge", maps),
    ]:
        options = [option if option != "mine" else name for option in train_command(backbone)]
        run(project, *options, "--adaptation", method)
    return project


def own_logits(project: Project, name: str) -> np.ndarray:
    """What the run itself says of a picture."""
    saved = load_run(project.root / "runs" / name, "cpu")
    with torch.inference_mode():
        return saved.model(saved.model.backbone.preprocessing(picture(5)[None])).numpy()


def logits_by_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Run the code that the model card gives."""
    monkeypatch.chdir(folder)
    code = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    names = {"image": Image.fromarray(picture(5)[:, :, 0])}
    exec(code, names)  # the code of the card, as a reader would paste it
    assert names["classes"] == ["a", "b"]
    return np.asarray(names["logits"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["logistic", "full", "lora", "ridge"])
def test_the_folder_is_loaded_by_the_code_of_its_card_to_equal_logits(
    name: str, trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(trained, "run", "export", name, str(tmp_path / "out"))
    np.testing.assert_allclose(
        logits_by_card(tmp_path / "out", monkeypatch), own_logits(trained, name), rtol=0.02, atol=0.02
    )  # the stock processor rounds resized images to whole levels
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")}
    assert {"README.md", "classes.json", "head.safetensors", "model/model.safetensors"} <= files
    assert not {"card.json", "model/card.json", "sums.safetensors"} & files
    content = "".join(path.read_text(errors="replace") for path in (tmp_path / "out").glob("**/*.[jm][sd]*"))
    assert '"s0"' not in content
    assert str(trained.root.parent) not in content


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("name", WRITTEN)
def test_onnx_gives_the_logits_of_torch_for_every_family(name: str, trained: Project, tmp_path: Path) -> None:
    answer = json.loads(run(trained, "run", "export", name, str(tmp_path / "out"), "--format", "onnx", "--json"))
    assert answer["largest difference from torch"] < 1e-4
    assert ("adapter" in answer) == (name == "lora")
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    saved = load_run(trained.root / "runs" / name, "cpu")
    inputs = saved.model.backbone.preprocessing(np.stack([picture(number) for number in range(5)]))
    with torch.inference_mode():
        expected = saved.model(inputs).numpy()
    np.testing.assert_allclose(session.run(None, {"pixel_values": inputs.numpy()})[0], expected, atol=1e-4)
    assert session.get_modelmeta().custom_metadata_map["classes"] == '["a", "b"]'


def test_an_adapter_is_merged_to_equal_logits_before_it_becomes_onnx(trained: Project) -> None:
    saved = load_run(trained.root / "runs" / "lora", "cpu")
    merged = onnx_file.merge_adapter(saved.model)
    inputs = saved.model.backbone.preprocessing(picture(5)[None])
    with torch.inference_mode():
        np.testing.assert_allclose(merged(inputs).numpy(), saved.model(inputs).numpy(), atol=1e-4)
    assert not [name for name, _ in merged.named_parameters() if "lora" in name]
    assert onnx_file.merge_adapter(load_run(trained.root / "runs" / "ssf", "cpu").model) is None


def test_the_card_in_the_runs_folder_is_one_of_hugging_face_and_follows_its_evaluations(trained: Project) -> None:
    path = trained.root / "runs" / "logistic" / "README.md"
    assert "Nobody has measured it on test subjects" in path.read_text()
    run(trained, "evaluate", "logistic", "--bootstrap", "100")
    card = ModelCard(path.read_text())
    assert (card.data.pipeline_tag, card.data.library_name) == ("image-classification", "transformers")
    [*results] = card.data.eval_results
    assert {result.metric_type for result in results} == {"auroc", "balanced_accuracy", "calibration_error", "brier"}
    for statement in (
        "NOT FOR DIAGNOSIS",
        "Intended use",
        "| real, test | 6 of 6 subjects |",
        "8 real",
        "8 subjects",
        "Licence",
    ):
        assert statement in path.read_text()


def test_what_onnx_cannot_express_is_refused_in_one_line_and_leaves_nothing(
    trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise RuntimeError("no ONNX function for aten.fft_irfft2\nand much more")

    monkeypatch.setattr(onnx_file.torch.onnx, "export", refuse)
    with pytest.raises(BadInput, match=r"--adaptation ssf on ViTModel cannot be written as ONNX \(no ONNX function"):
        run(trained, "run", "export", "ssf", str(tmp_path / "out"), "--format", "onnx")
    assert not list(tmp_path.iterdir())


def test_an_export_is_an_event_never_overwrites_and_asks_where_a_subject_was_withdrawn(
    trained: Project, tmp_path: Path
) -> None:
    run(trained, "run", "export", "ssf", str(tmp_path / "out"))
    assert "no stock library knows" in (tmp_path / "out" / "README.md").read_text()
    with trained.database.read() as session:
        [event, *_] = list_events(session, "run.exported")
    assert event.payload["format"] == "folder"
    with pytest.raises(Conflict, match="nothing is overwritten"):
        run(trained, "run", "export", "ssf", str(tmp_path / "out"))
    run(trained, "withdraw", "s0", "--yes", "--reason", "asked")
    assert Tombstones.read(trained.root / "runs" / "ssf").notes
    with pytest.raises(AffectedRefused):
        run(trained, "run", "export", "ssf", str(tmp_path / "again"))
    run(trained, "run", "export", "ssf", str(tmp_path / "again"), "--allow-affected")
    assert "WITHDRAWN" in (tmp_path / "again" / "README.md").read_text()
