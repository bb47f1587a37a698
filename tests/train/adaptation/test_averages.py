"""Fits that start from a probe, curves from there to the end, soups, and what suits few images."""

from pathlib import Path

import pytest
import torch
from transformers import ResNetConfig, ResNetModel

from curation.errors import BadInput
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.automatic import candidates_for, choose_best, choose_candidates
from train.adaptation.averages import SHARES, choose_on_curve, cook_soup
from train.adaptation.config import AdaptationConfig
from train.adaptation.run_folder import load_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFolder:
    path = tmp_path_factory.mktemp("averages")
    save_backbone(path / "backbone")
    return write_snapshot(path / "snapshot", {"train": 12, "validation": 8})


def short(folder: SnapshotFolder, adaptation: str, **changes: object) -> AdaptationConfig:
    settings = {"adaptation": adaptation, "backbone": str(folder.path.parent / "backbone"), "steps": 4, "seed": 2}
    return AdaptationConfig.checked(**settings | {"batch_size": 8, "evaluations": 2} | changes)


@pytest.mark.parametrize("adaptation", ["full", "lora"])
def test_weights_move_from_the_optimum_of_a_probe(adaptation: str, folder: SnapshotFolder, tmp_path: Path) -> None:
    probe = adapt(folder, short(folder, "logistic"), tmp_path / "probe", silent)
    moved = adapt(folder, short(folder, adaptation, start="probe"), tmp_path / "moved", silent)
    at_random = adapt(folder, short(folder, adaptation), tmp_path / "random", silent)
    assert moved.card["start"] == probe.card["metrics"]
    assert moved.card["history"][0]["train_loss"] < at_random.card["history"][0]["train_loss"]
    assert "start" not in at_random.card


@pytest.mark.parametrize("adaptation", ["full", "norms"])
def test_batch_statistics_of_other_images_do_not_undo_the_probe(
    adaptation: str, folder: SnapshotFolder, tmp_path: Path
) -> None:
    """The running statistics of this network are 0 and 1, which are not those of the images."""
    torch.manual_seed(0)
    network = ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic"))
    backbone = str(save_backbone(tmp_path / "maps", network))
    config = short(folder, adaptation, start="probe", backbone=backbone, learning_rate=1e-9)
    run = adapt(folder, config, tmp_path / "run", silent)
    assert run.metrics["validation_loss"] == pytest.approx(run.card["start"]["validation_loss"], abs=1e-4)


def test_the_curve_holds_both_ends_and_its_best_point_is_kept(folder: SnapshotFolder, tmp_path: Path) -> None:
    run = adapt(folder, short(folder, "full", start="probe", interpolate=True), tmp_path / "run", silent)
    curve = run.card["curve"]
    assert [point["share"] for point in curve] == list(SHARES)
    assert curve[0]["validation_loss"] == pytest.approx(run.card["start"]["validation_loss"], abs=1e-5)
    assert run.metrics["validation_loss"] == min(point["validation_loss"] for point in curve)
    saved = load_run(run.directory, "cpu")
    rows = folder.rows("validation")
    with torch.inference_mode():
        logits = saved.model(saved.model.backbone.preprocessing(folder.pixels(rows)))
    loss = float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(folder.labels(rows))))
    assert loss == pytest.approx(run.metrics["validation_loss"], abs=1e-5)


def test_a_soup_killed_in_its_second_fit_continues_to_equal_weights(folder: SnapshotFolder, tmp_path: Path) -> None:
    config = short(folder, "lora", start="probe", soup=2, interpolate=True, lora_dropout=0.2)
    whole = adapt(folder, config, tmp_path / "whole", silent)
    reports: list[int] = []

    def kill(done: int, total: int, note: str | None) -> None:
        if note != "features":
            reports.append(done)
            if len(reports) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adapt(folder, config, tmp_path / "resumed", kill)
    torch.manual_seed(9)
    assert adapt(folder, config, tmp_path / "resumed", silent).card == whole.card
    assert len(whole.card["soup"]["losses"]) == 2
    assert 0 < len(whole.card["soup"]["kept"]) <= 2


def test_a_soup_leaves_out_what_makes_it_worse_and_a_curve_takes_the_best_point() -> None:
    def measure(weights: dict[str, torch.Tensor]) -> dict[str, float]:
        return {"validation_loss": float((weights["w"] - 1).abs())}

    ends = [{"w": torch.tensor(value), "n": torch.tensor(count)} for value, count in ((0.6, 1), (1.2, 2), (9.0, 3))]
    mean, facts = cook_soup(ends, measure)
    assert facts["kept"] == [0, 1]
    assert mean["w"] == pytest.approx(0.9)
    point, curve = choose_on_curve({"w": torch.tensor(0.0)}, {"w": torch.tensor(2.0)}, measure)
    assert point["w"] == pytest.approx(1.0)
    assert min(curve, key=lambda row: row["validation_loss"])["share"] == 0.5


def test_averages_without_validation_are_refused(folder: SnapshotFolder, tmp_path: Path) -> None:
    alone = write_snapshot(tmp_path / "alone", {"train": 4})
    with pytest.raises(BadInput, match="chosen on validation images"):
        adapt(alone, short(folder, "full", soup=2), tmp_path / "run", silent)
    with pytest.raises(BadInput, match=r"has none\. Name a method"):
        choose_candidates(alone)


@pytest.mark.parametrize(
    ("images", "methods", "reason"),
    [
        (9, ["nearest-mean", "logistic"], "9 training images of upper are under 10"),
        (10, ["logistic", "lora"], "30 training images are under 500"),
        (200, ["logistic", "lora", "full"], "600 training images are 500 or more"),
    ],
)
def test_what_is_tried_follows_from_the_number_of_images(images: int, methods: list[str], reason: str) -> None:
    choice = candidates_for({"lower": 2 * images, "upper": images})
    assert [candidate.method for candidate in choice.candidates] == methods
    assert choice.why.startswith(reason)
    for candidate in choice.candidates:
        assert AdaptationConfig.checked(adaptation=candidate.method, **candidate.entries)
    assert choose_best([0.3, 0.2, 0.2]) == 1
