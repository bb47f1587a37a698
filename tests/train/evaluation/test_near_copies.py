"""Figures are given a second time without held-out images that look like a training image."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cli.evaluate import _evaluation_lines
from tests.train.evaluation.test_evaluate import SIZES, trained
from tests.train.snapshots import mark_near_copies, write_snapshot
from train.adaptation.run_folder import load_run
from train.evaluation.evaluate import evaluate_run, predict
from train.evaluation.metrics import metric_value
from train.fitting.device import choose_device


def test_metrics_come_with_and_without_the_near_copies_side_by_side(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "s", SIZES, strength=0.15)
    run = trained(tmp_path, folder)
    assert evaluate_run(run, folder, "test", n_bootstrap=100, seed=0).near_copies is None
    names = [row.file_name for row in folder.rows("test")][::3]
    marked = mark_near_copies(folder, test=names)
    evaluation = evaluate_run(run, marked, "test", n_bootstrap=100, seed=0)
    others = evaluation.without_near_copies
    assert others is not None
    assert (evaluation.near_copies, evaluation.n_images, others.left_out, others.n_images) == (7, 20, 7, 13)
    assert others.n_units == len({row.subject for row in folder.rows("test") if row.file_name not in names})
    predictions = predict(load_run(run, choose_device()), folder, "test")
    kept = np.array([row.file_name not in names for row in predictions.rows])
    expected = metric_value("auroc", predictions.probabilities[kept], predictions.labels[kept])
    assert others.metrics["auroc"].value == pytest.approx(expected)
    assert others.metrics["auroc"].low <= expected <= others.metrics["auroc"].high
    assert json.loads((run / "evaluation-test.json").read_text()) == evaluation.as_json()
    lines = _evaluation_lines(evaluation)
    assert f"without near copies {expected:.3f}" in lines["auroc"]
    assert lines["near copies"].startswith(
        "7 of 20 test images look like a training image of another subject; 13 images"
    )
    table = pq.read_table(run / "predictions-test.parquet").to_pylist()
    assert [row["file_name"] for row in table if row["near_copy"]] == [
        row.file_name for row in predictions.rows if row.file_name in names
    ]
    assert evaluate_run(run, marked, "validation", n_bootstrap=100, seed=0).without_near_copies is None


def test_a_class_of_which_nothing_is_left_is_said_and_nothing_measured(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "s", SIZES)
    run = trained(tmp_path, folder)
    marked = mark_near_copies(folder, test=[row.file_name for row in folder.rows("test") if row.label == "lower"])
    evaluation = evaluate_run(run, marked, "test", n_bootstrap=100, seed=0)
    assert evaluation.without_near_copies is not None
    assert (evaluation.without_near_copies.metrics, evaluation.near_copies) == ({}, 10)
    assert "no image of lower is left" in _evaluation_lines(evaluation)["near copies"]
