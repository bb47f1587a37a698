"""A ridge run learns without a step, keeps its sums, and is continued as by training on all at once."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from curation.errors import BadInput, Conflict, LeakRefused
from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.train.snapshots import write_snapshot
from tests.train.sums.rounds_of import differ, head_of, part_of
from tests.train.tiny import save_backbone
from train.adaptation.adapt import RunResult, adapt
from train.adaptation.config import AdaptationConfig
from train.adaptation.run_folder import load_run
from train.sums.kept_sums import KEPT_SUMS, KeptSums
from train.sums.leave_out import choose_by_subjects
from train.sums.solve import PENALTIES, Spectrum


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone, a snapshot of three classes, and its rounds: two halves by subject, one with the third class only."""
    root = tmp_path_factory.mktemp("sums")
    save_backbone(root / "backbone")
    whole = write_snapshot(root / "whole", {"train": 16, "validation": 6, "test": 6}, ("upper", "lower", "centre"))
    part_of(whole, root / "first", lambda row: row["label"] != "centre" and int(row["file_name"][:5]) % 4 < 2)
    part_of(whole, root / "second", lambda row: row["label"] != "centre")
    part_of(whole, root / "third", lambda row: row["label"] == "centre")
    return root


def run(world: Path, snapshot: str, out: Path, **settings: Any) -> RunResult:
    values = {"adaptation": "ridge", "backbone": str(world / "backbone")} | settings
    return adapt(SnapshotFolder.open(world / snapshot), AdaptationConfig.checked(**values), out, silent)


def test_a_ridge_run_learns_and_is_read_back_to_equal_outputs(world: Path, tmp_path: Path) -> None:
    result = run(world, "whole", tmp_path / "run")
    assert result.metrics["validation_accuracy"] > 0.6  # of three classes
    assert result.card["penalty"]["by"] == "validation"
    assert result.card["summed"] == {"images": 48, "subjects": 24}
    saved = load_run(tmp_path / "run", "cpu")
    head = load_file(tmp_path / "run" / "head.safetensors")
    features = torch.from_numpy(head_of(tmp_path / "run")[0].rows.features[:5])
    torch.testing.assert_close(saved.model.head(features), features @ head["weight"].T + head["bias"])
    assert run(world, "whole", tmp_path / "run").card == result.card


def test_rounds_one_after_the_other_are_pooled_training(world: Path, tmp_path: Path) -> None:
    run(world, "first", tmp_path / "first")
    added = run(world, "second", tmp_path / "second", ridge_continues=str(tmp_path / "first"))
    assert added.card["continues"]["run"] == "first"
    assert (added.card["continues"]["images_already_in"], added.card["continues"]["images_added"]) == (22, 22)
    run(world, "second", tmp_path / "pooled")
    assert differ(tmp_path / "second", tmp_path / "pooled") < 1e-9
    last = run(world, "third", tmp_path / "third", ridge_continues=str(tmp_path / "second"))
    assert last.card["classes"] == ["upper", "lower", "centre"]
    run(world, "whole", tmp_path / "whole")
    assert differ(tmp_path / "third", tmp_path / "whole") < 1e-9
    whole = json.loads((tmp_path / "whole" / "card.json").read_text())["saw"]
    assert (last.card["saw"]["subjects"], last.card["saw"]["pixel_sha256"]) == (
        whole["subjects"],
        whole["pixel_sha256"],
    )


def test_an_image_that_is_in_already_under_another_label_is_refused(world: Path, tmp_path: Path) -> None:
    run(world, "first", tmp_path / "first")
    metadata = part_of(SnapshotFolder.open(world / "first"), tmp_path / "relabelled", lambda row: True).path / "train"
    text = (metadata / "metadata.jsonl").read_text()
    (metadata / "metadata.jsonl").write_text(text.replace('"label": "upper"', '"label": "lower"', 1))
    with pytest.raises(Conflict, match="1 images are in the sums already with another label"):
        run(
            tmp_path,
            "relabelled",
            tmp_path / "next",
            ridge_continues=str(tmp_path / "first"),
            backbone=str(world / "backbone"),
        )


def test_a_held_out_subject_that_the_earlier_run_saw_is_refused(world: Path, tmp_path: Path) -> None:
    run(world, "first", tmp_path / "first")
    moved = part_of(SnapshotFolder.open(world / "second"), tmp_path / "moved", lambda row: True).path / "test"
    lines = (moved / "metadata.jsonl").read_text()
    (moved / "metadata.jsonl").write_text(lines.replace("test-upper-0", "train-upper-0"))
    with pytest.raises(LeakRefused, match="1 test subjects"):
        run(
            tmp_path,
            "moved",
            tmp_path / "next",
            ridge_continues=str(tmp_path / "first"),
            backbone=str(world / "backbone"),
        )


def test_sums_of_another_backbone_and_runs_without_sums_are_refused(world: Path, tmp_path: Path) -> None:
    run(world, "first", tmp_path / "first")
    torch.manual_seed(0)
    other = save_backbone(tmp_path / "other")
    preprocessing = (other / "preprocessor_config.json").read_text()
    (other / "preprocessor_config.json").write_text(preprocessing.replace("0.25", "0.5"))
    with pytest.raises(Conflict, match="features of two backbones cannot be added"):
        run(world, "second", tmp_path / "next", ridge_continues=str(tmp_path / "first"), backbone=str(other))
    (tmp_path / "first" / KEPT_SUMS).unlink()
    with pytest.raises(BadInput, match="keeps no sums"):
        run(world, "second", tmp_path / "next", ridge_continues=str(tmp_path / "first"))


def test_without_validation_each_subject_is_left_out_in_closed_form(world: Path, tmp_path: Path) -> None:
    part_of(SnapshotFolder.open(world / "second"), tmp_path / "alone", lambda row: row["subject"].startswith("train"))
    result = run(tmp_path, "alone", tmp_path / "run", backbone=str(world / "backbone"))
    assert result.card["penalty"]["by"] == "leaving out each subject"
    kept = KeptSums.read(tmp_path / "run" / KEPT_SUMS)
    rows, spectrum = kept.rows, Spectrum.of(kept.train)
    errors = []
    for penalty in PENALTIES:  # each fit anew, standardised and centred as the whole set is
        inputs = (rows.features - spectrum.mean) / spectrum.scale
        targets = np.eye(2)[[kept.train.classes.index(image.label) for image in rows.images]]
        design, ridge = (
            np.hstack([inputs, np.ones((len(rows), 1))]),
            np.diag([penalty * len(rows)] * inputs.shape[1] + [0]),
        )
        error = 0.0
        for unit in rows.units():
            rest = np.setdiff1d(np.arange(len(rows)), unit)
            fitted = np.linalg.solve(design[rest].T @ design[rest] + ridge, design[rest].T @ targets[rest])
            error += float(np.square(targets[unit] - design[unit] @ fitted).sum())
        errors.append(error)
    assert choose_by_subjects(rows, kept.train, spectrum) == PENALTIES[int(np.argmin(errors))]
