"""Training samples images by the weights of the snapshot, within classes and between them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder, write_rows
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples, sampling_probabilities
from train.adaptation.run_folder import load_run
from train.evaluation.evaluate import predict


def examples(class_weights: list[float] | None = None) -> Examples:
    """Three images of class 0, the last one of weight 2, and one of class 1."""
    weights, labels = np.array([1.0, 1, 2, 4]), np.array([0, 0, 0, 1])
    of_classes = None if class_weights is None else np.array(class_weights)
    return Examples(lambda chosen: torch.zeros(len(chosen), 1), labels, weights, of_classes)


def test_an_image_of_twice_the_weight_is_drawn_twice_as_often() -> None:
    assert sampling_probabilities(examples(), False).tolist() == [1 / 8, 1 / 8, 2 / 8, 4 / 8]


def test_balanced_classes_keep_the_weights_within_a_class() -> None:
    assert sampling_probabilities(examples(), True).tolist() == pytest.approx([1 / 8, 1 / 8, 2 / 8, 1 / 2])


def test_class_weights_of_the_recipe_are_not_evened_out() -> None:
    chances = sampling_probabilities(examples([3.0, 1.0]), True).tolist()
    assert chances == pytest.approx([3 / 16, 3 / 16, 6 / 16, 1 / 4])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row_weight", "class_weights", "class_balanced", "expected"),
    [(1.0, {}, True, 0.5), (9.0, {}, False, 0.9), (9.0, {}, True, 0.5), (9.0, {"upper": 9.0}, True, 0.9)],
)
def test_a_model_learns_the_shares_that_the_folder_weighs(
    row_weight: float, class_weights: dict[str, float], class_balanced: bool, expected: float, tmp_path: Path
) -> None:
    """The images do not depend on the class, so the model can learn only how often each class is drawn."""
    snapshot = write_snapshot(tmp_path / "snapshot", {"train": 150, "test": 10}, strength=0.0)
    rows = [replace(row, weight=row_weight if row.label == "upper" else 1.0) for row in snapshot.rows("train")]
    write_rows(snapshot.path, "train", rows)
    manifest = dict(snapshot.manifest) | {"recipe": {"weights": {"classes": class_weights}}}
    (snapshot.path / "snapshot.json").write_text(json.dumps(manifest))
    config = AdaptationConfig(
        backbone=str(save_backbone(tmp_path / "vit")),
        steps=60,
        learning_rate=0.1,
        batch_size=64,
        class_balanced=class_balanced,
    )
    folder = SnapshotFolder.open(snapshot.path)
    adapt(folder, config, tmp_path / "run", silent)
    mean_probabilities = predict(load_run(tmp_path / "run", "cpu"), folder, "test").probabilities.mean(axis=0)
    assert mean_probabilities[folder.classes.index("upper")] == pytest.approx(expected, abs=0.15)
