"""What descends from a withdrawn subject is trained on request only, and every report then says so."""

import json
from pathlib import Path

import pytest

from curation.errors import AffectedRefused
from curation.progress import silent
from curation.provenance.tombstones import Tombstones
from curation.snapshots.folder import SnapshotFolder
from generate.latent_flow.fit import fit_generator
from tests.generate.folders import tiny_recipe, write_folder
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig
from train.evaluation.evaluate import evaluate_run
from train.study.plan import ReportFacts, StudyPlan
from train.study.report import write_report
from train.study.run import run_study

SIZES = {"train": 4, "validation": 4, "test": 4}
LINE = "AFFECTED by withdrawal 1 (2026-11-25)"


def withdrawn(folder: SnapshotFolder) -> SnapshotFolder:
    """The folder as a withdrawal leaves it."""
    Tombstones().add(1, "2026-11-25", [f"train/{folder.rows('train')[0].file_name}"], False).write(folder.path)
    return folder


def config(tmp_path: Path, **changes: object) -> AdaptationConfig:
    backbone = tmp_path / "backbone"
    if not backbone.exists():
        save_backbone(backbone)
    return AdaptationConfig.checked(**{"backbone": str(backbone), "steps": 4, "batch_size": 4} | changes)


def test_an_affected_snapshot_is_refused_and_used_on_request_with_a_word(tmp_path: Path) -> None:
    folder = withdrawn(write_snapshot(tmp_path / "snapshot", SIZES))
    with pytest.raises(AffectedRefused, match="--allow-affected"):
        adapt(folder, config(tmp_path), tmp_path / "run", silent)
    result = adapt(folder, config(tmp_path), tmp_path / "run", silent, allow_affected=True)
    assert result.card["affected"] == [LINE]
    evaluation = evaluate_run(tmp_path / "run", folder, "test", 100, 0)
    assert evaluation.affected == [LINE]
    assert json.loads((tmp_path / "run" / "evaluation-test.json").read_text())["affected"] == [LINE]


def test_a_run_that_was_affected_later_says_so_when_it_is_evaluated(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "snapshot", SIZES)
    adapt(folder, config(tmp_path), tmp_path / "run", silent)
    assert evaluate_run(tmp_path / "run", folder, "test", 100, 0).affected == []
    Tombstones().add(1, "2026-11-25", (), False).write(tmp_path / "run")
    assert evaluate_run(tmp_path / "run", folder, "test", 100, 0).affected == [LINE]


@pytest.mark.slow
def test_a_model_that_was_affected_is_refused_as_a_backbone_through_generations(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "snapshot", SIZES)
    first = adapt(folder, config(tmp_path, adaptation="full"), tmp_path / "first", silent).directory
    second_config = config(tmp_path, adaptation="full", backbone=str(first / "model"))
    second = adapt(folder, second_config, tmp_path / "second", silent).directory
    third = config(tmp_path, backbone=str(second / "model"))
    saw = json.loads((second / "card.json").read_text())["saw"]
    other = write_snapshot(tmp_path / "other", SIZES)
    assert saw["subjects"] == sorted({row.subject for row in folder.rows("train")})
    adapt(other, third, tmp_path / "third", silent)
    Tombstones().add(1, "2026-11-25", (), False).write(second / "model")
    with pytest.raises(AffectedRefused):
        adapt(other, third, tmp_path / "fourth", silent)


@pytest.mark.slow
def test_a_study_with_an_affected_arm_claims_no_gain(tmp_path: Path) -> None:
    arms = {
        "real_only": write_snapshot(tmp_path / "real_only", SIZES),
        "plus_raw": withdrawn(write_snapshot(tmp_path / "plus_raw", SIZES, synthetic=["upper", "lower"])),
    }
    plan = StudyPlan(name="s", adaptation=config(tmp_path), arms=("real_only", "plus_raw"), seeds=(0,), n_bootstrap=100)
    with pytest.raises(AffectedRefused, match="study 's'"):
        run_study(arms, plan, tmp_path / "study", silent)
    result = run_study(arms, plan, tmp_path / "study", silent, allow_affected=True)
    assert result.affected == [LINE]
    text = write_report(
        tmp_path / "study", ReportFacts(human_readings=1, proxy_readings=0, made_by="x", date="d")
    ).read_text()
    assert f"**{LINE}**" in text
    assert "descends from a withdrawn subject" in text


@pytest.mark.slow
def test_a_generator_is_fitted_on_an_affected_snapshot_on_request_only(tmp_path: Path) -> None:
    folder = withdrawn(write_folder(tmp_path / "snapshot"))
    with pytest.raises(AffectedRefused):
        fit_generator(folder, tiny_recipe(), tmp_path / "generator")
    assert not (tmp_path / "generator").exists()
    fit_generator(folder, tiny_recipe(), tmp_path / "generator", allow_affected=True)
    assert json.loads((tmp_path / "generator" / "card.json").read_text())["affected"] == [LINE]
