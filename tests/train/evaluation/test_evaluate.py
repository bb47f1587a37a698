"""A run is evaluated on held-out real subjects it never saw, with intervals."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.errors import BadInput, LeakRefused, NotFound
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig
from train.evaluation.evaluate import evaluate_run
from train.evaluation.metrics import metric_value

SIZES = {"train": 12, "validation": 6, "test": 10}


def trained(tmp_path: Path, folder: SnapshotFolder, adaptation: str = "linear-probe") -> Path:
    backbone = save_backbone(tmp_path / "backbone")
    config = AdaptationConfig.checked(adaptation=adaptation, backbone=str(backbone), steps=40, batch_size=16)
    return adapt(folder, config, tmp_path / "run", silent).directory


@pytest.mark.slow
def test_every_metric_has_an_interval_over_subjects_and_the_file_says_the_same(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "s", SIZES, labels=("upper", "lower", "centre"))
    run = trained(tmp_path, folder)
    evaluation = evaluate_run(run, folder, "test", n_bootstrap=200, seed=0)
    assert (evaluation.resampled, evaluation.n_units, evaluation.n_images) == ("subject", 15, 30)
    assert evaluation.metrics["auroc"].value > 0.7
    assert all(interval.low <= interval.value <= interval.high for interval in evaluation.metrics.values())
    assert json.loads((run / "evaluation-test.json").read_text()) == evaluation.as_json()
    assert evaluate_run(run, folder, "test", n_bootstrap=200, seed=0) == evaluation
    assert evaluate_run(run, folder, "test", n_bootstrap=200, seed=1).metrics != evaluation.metrics


@pytest.mark.slow
@pytest.mark.parametrize("adaptation", ["lora", "full"])
def test_adapted_encoders_are_evaluated_from_their_folder(adaptation: str, tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "s", SIZES)
    run = trained(tmp_path, folder, adaptation)
    assert evaluate_run(run, folder, "validation", n_bootstrap=100, seed=0).split == "validation"


def test_without_subject_ids_intervals_say_that_they_are_image_level(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "s", SIZES, subjects="unknown", notice="SIMULATED")
    evaluation = evaluate_run(trained(tmp_path, folder), folder, "test", n_bootstrap=100, seed=0)
    assert (evaluation.resampled, evaluation.n_units, evaluation.notice) == ("image", 20, "SIMULATED")


@pytest.mark.slow
def test_colour_and_sixteen_bit_images_are_evaluated(tmp_path: Path) -> None:
    backbone = str(save_backbone(tmp_path / "backbone"))
    config = AdaptationConfig(backbone=backbone, steps=40)
    for name, kind in {"colour": {"channels": 3}, "deep": {"bits": 16}}.items():
        folder = write_snapshot(tmp_path / name, SIZES, **kind)
        run = adapt(folder, config, tmp_path / f"run-{name}", silent).directory
        assert evaluate_run(run, folder, "test", n_bootstrap=100, seed=0).metrics["auroc"].value > 0.6


def test_every_image_stands_with_its_prediction_beside_the_evaluation_and_gives_its_figures_again(
    tmp_path: Path,
) -> None:
    folder = write_snapshot(tmp_path / "s", SIZES, strength=0.15)
    run = trained(tmp_path, folder)
    evaluation = evaluate_run(run, folder, "test", n_bootstrap=100, seed=0)
    table = pq.read_table(run / "predictions-test.parquet")
    rows, digest = table.to_pylist(), json.loads((run / "card.json").read_text())["digest"]
    assert json.loads(table.schema.metadata[b"rounds"]) == {
        "run": "run", "digest": digest, "snapshot": "s", "split": "test",
    }  # fmt: skip
    assert {row["pixel_sha256"]: row["label"] for row in rows} == {
        row.pixel_sha256: row.label for row in folder.rows("test")
    }
    probabilities = np.array([[row["probability_upper"], row["probability_lower"]] for row in rows])
    labels = np.array([folder.classes.index(row["label"]) for row in rows])
    for name, interval in evaluation.metrics.items():
        assert metric_value(name, probabilities, labels) == pytest.approx(interval.value), name
    assert [row["predicted"] for row in rows] == [folder.classes[place] for place in probabilities.argmax(axis=1)]
    assert {row["near_copy"] for row in rows} == {None}
    assert "subject" not in table.column_names


def test_a_subject_seen_in_training_cannot_be_evaluated_on(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "s", SIZES)
    run = trained(tmp_path, folder)
    metadata = tmp_path / "s" / "test" / "metadata.jsonl"
    metadata.write_text(metadata.read_text().replace("test-upper-0", "train-upper-0"))
    with pytest.raises(LeakRefused, match="train-upper-0"):
        evaluate_run(run, folder, "test", n_bootstrap=100, seed=0)


@pytest.mark.slow
def test_other_classes_missing_classes_synthetic_rows_and_training_splits_are_refused(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "s", SIZES)
    run = trained(tmp_path, folder)
    other = write_snapshot(tmp_path / "other", SIZES, labels=("upper", "centre"))
    with pytest.raises(BadInput, match="the run knows the classes upper, lower"):
        evaluate_run(run, other, "test", n_bootstrap=100, seed=0)
    with pytest.raises(BadInput, match="validation or test, got 'train'"):
        evaluate_run(run, folder, "train", n_bootstrap=100, seed=0)
    metadata = tmp_path / "s" / "test" / "metadata.jsonl"
    content = metadata.read_text()
    metadata.write_text(content.replace('"origin": "real"', '"origin": "synthetic"', 1))
    with pytest.raises(BadInput, match="not real"):
        evaluate_run(run, folder, "test", n_bootstrap=100, seed=0)
    metadata.write_text("".join(line for line in content.splitlines(keepends=True) if '"label": "upper"' in line))
    with pytest.raises(BadInput, match="no image of lower"):
        evaluate_run(run, folder, "test", n_bootstrap=100, seed=0)


def test_an_unfinished_run_is_not_a_run(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "s", SIZES)
    with pytest.raises(NotFound, match="not a finished run"):
        evaluate_run(tmp_path / "nothing", folder, "test", n_bootstrap=100, seed=0)
