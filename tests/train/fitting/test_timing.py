"""How long a run, a study or a pretraining takes is measured on its own networks, before it begins."""

from pathlib import Path

import pytest
import torch

from curation.progress import silent
from curation.snapshots.folder import SnapshotFolder
from tests.generate.latent_flow.test_suggest import StepClock
from tests.train.pretraining.test_pretrain import RECIPE, pretrain
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig
from train.adaptation.timing import estimate_runs
from train.backbones.load import Backbone, weights_digest
from train.fitting.timing import FitEstimate, PhaseEstimate, tell_estimate
from train.pretraining.pretrain import pretrain_backbone
from train.study.plan import StudyPlan
from train.study.run import run_study

SETTINGS = {"steps": 60, "batch_size": 4, "evaluations": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SnapshotFolder:
    """Twenty-four training images of each class, four of each to validate and to test on."""
    return write_snapshot(tmp_path_factory.mktemp("timing") / "snapshot", {"train": 24, "validation": 4, "test": 4})


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return Backbone.load(save_backbone(tmp_path_factory.mktemp("timing") / "vit"))


def settings(backbone: Backbone, adaptation: str, **more: int) -> AdaptationConfig:
    return AdaptationConfig.checked(adaptation=adaptation, backbone=str(backbone.directory), **SETTINGS | more)


def test_of_a_frozen_encoder_each_image_counts_once_and_each_step_of_every_run(
    folder: SnapshotFolder, backbone: Backbone
) -> None:
    config = settings(backbone, "linear-probe")
    estimate = estimate_runs([folder, folder], config, backbone, 3, "test", StepClock(1.0))
    assert estimate is not None
    features, head = estimate.phases
    assert (features.steps, features.unit, head.steps) == (48 + 8 + 8, "images", 2 * 3 * 60)
    assert (features.step_s, head.step_s) == (1 / 8, 1.0)
    assert "features 64 images of 0.12 s, head 360 steps of 1 s, as measured now" in estimate.words()


@pytest.mark.parametrize("adaptation", ["lora", "full"])
def test_of_an_encoder_that_learns_steps_and_evaluations_count(
    folder: SnapshotFolder, backbone: Backbone, adaptation: str
) -> None:
    config = settings(backbone, adaptation)
    estimate = estimate_runs([folder], config, backbone, clock=StepClock(1.0))
    assert estimate is not None
    [phase] = estimate.phases
    assert (phase.steps, phase.step_s) == (60, 1.0)
    assert phase.evaluations_s == pytest.approx(2 * 8 / 4 / 3)  # two times eight images, four at a time, forward alone


def test_the_features_of_a_probe_that_a_fit_starts_from_and_every_fit_of_a_soup_count(
    folder: SnapshotFolder, backbone: Backbone
) -> None:
    config = AdaptationConfig.checked(**settings(backbone, "full").model_dump() | {"start": "probe", "soup": 2})
    estimate = estimate_runs([folder], config, backbone, clock=StepClock(1.0))
    assert estimate is not None
    [phase] = estimate.phases
    assert phase.steps == 2 * 60
    assert phase.evaluations_s == pytest.approx((2 * 2 * 8 + 48 + 8) / 4 / 3)


def test_a_head_that_is_fitted_without_steps_takes_its_features_alone(
    folder: SnapshotFolder, backbone: Backbone
) -> None:
    estimate = estimate_runs([folder], settings(backbone, "logistic"), backbone, clock=StepClock(1.0))
    assert estimate is not None
    assert [phase.unit for phase in estimate.phases] == ["images"]


def test_what_is_over_soon_is_not_timed(folder: SnapshotFolder, backbone: Backbone, tmp_path: Path) -> None:
    assert estimate_runs([folder], settings(backbone, "full", steps=49), backbone) is None
    few = write_snapshot(tmp_path / "few", {"train": 8, "validation": 2})
    assert estimate_runs([few], settings(backbone, "linear-probe"), backbone) is None


@pytest.mark.parametrize("adaptation", ["linear-probe", "lora", "full"])
def test_a_run_that_was_timed_gives_the_same_weights(
    folder: SnapshotFolder, backbone: Backbone, tmp_path: Path, adaptation: str
) -> None:
    estimates: list[FitEstimate | None] = []
    config = settings(backbone, adaptation)
    plain = adapt(folder, config, tmp_path / "plain", silent)
    timed = adapt(folder, config, tmp_path / "timed", silent, on_estimate=estimates.append)
    adapt(folder, config, tmp_path / "timed", silent, on_estimate=estimates.append)  # it is finished: nothing to say
    assert (len(estimates), estimates[0] is None) == (1, False)
    assert timed.card["digest"] == plain.card["digest"]


def test_a_pretraining_that_was_timed_gives_the_same_weights(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"steps": 60, "checkpoint_every": 20})
    estimates: list[FitEstimate | None] = []
    plain = pretrain(tmp_path, "plain", recipe)
    folder = SnapshotFolder.open(tmp_path / "snapshot")
    torch.manual_seed(3)
    timed = pretrain_backbone(
        folder, recipe, tmp_path / "timed", silent, "", "today", from_nothing=True, on_estimate=estimates.append
    )
    assert weights_digest(timed) == weights_digest(plain)
    [estimate] = estimates
    assert estimate is not None
    assert [(phase.name, phase.steps) for phase in estimate.phases] == [("masked autoencoder", 60)]


def test_a_study_says_how_long_all_its_runs_take(folder: SnapshotFolder, backbone: Backbone, tmp_path: Path) -> None:
    estimates: list[FitEstimate | None] = []
    config = settings(backbone, "linear-probe")
    plan = StudyPlan(name="s", adaptation=config, arms=("real_only", "plus_raw"), seeds=(0, 1), n_bootstrap=100)
    run_study({arm: folder for arm in plan.arms}, plan, tmp_path / "s", silent, on_estimate=estimates.append)
    [estimate] = estimates
    assert estimate is not None
    assert [(phase.name, phase.steps) for phase in estimate.phases] == [("features", 64), ("head", 240)]


def test_an_estimate_is_a_line_or_where_nobody_listens_the_note_of_a_report() -> None:
    lines: list[str] = []
    reported: list[tuple[int, int, str | None]] = []

    def report(done: int, total: int, note: str | None) -> None:
        reported.append((done, total, note))

    estimate = FitEstimate("cuda", (PhaseEstimate("adaptation", 1_200, 0.5, 60.0),))
    tell_estimate("the run", report, lines.append)(None)
    tell_estimate("the run", report, lines.append)(estimate)
    tell_estimate("the run", report, None)(estimate)
    line = "the run takes about 11 min on this machine (cuda): adaptation 1,200 steps of 0.5 s, as measured now"
    assert (lines, reported) == ([line], [(0, 1_200, line)])


@pytest.mark.parametrize(("threads", "words"), [(1, "one thread of the processor"), (2, "2 threads of the processor")])
def test_an_estimate_counts_the_threads_in_words(threads: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert f"on this machine ({words})" in FitEstimate("cpu", (PhaseEstimate("head", 60, 1.0),)).words()
