"""The course of a fit lies in a file that grows with it, and goes to TensorBoard where asked."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from cli.main import rounds
from curation.errors import BadInput
from curation.project import Project
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.adapt import adapt
from train.adaptation.config import AdaptationConfig
from train.adaptation.course import CourseOfRun
from train.adaptation.loggers import told_to_logs
from train.fitting.curve import add_point, read_curve, read_curves


class KilledError(Exception):
    """Stands for the end of the process."""


def config(tmp_path: Path, **changes: object) -> AdaptationConfig:
    settings = {"backbone": str(tmp_path / "vit"), "steps": 8, "batch_size": 4, "evaluations": 4}
    return AdaptationConfig.checked(**settings | changes)


def test_the_curve_grows_with_the_fit_and_one_that_was_killed_and_resumed_has_the_same(tmp_path: Path) -> None:
    folder, settings = write_snapshot(tmp_path / "s", {"train": 4, "validation": 2}), config(tmp_path)
    save_backbone(tmp_path / "vit")
    lengths = []

    def watch(done: int, total: int, note: str | None) -> None:
        lengths.append(len(read_curves(tmp_path / "whole").get("curve", ())))

    whole = adapt(folder, settings, tmp_path / "whole", watch)
    points = read_curve(tmp_path / "whole" / "curve.jsonl")
    assert (set(lengths), [point["step"] for point in points]) == ({0, 1, 2, 3, 4}, [2, 4, 6, 8])
    assert points == whole.card["history"]

    def kill(done: int, total: int, note: str | None) -> None:
        if note != "features" and done == 4:
            raise KilledError

    resumed = tmp_path / "resumed" / "curve.jsonl"
    with pytest.raises(KilledError):
        adapt(folder, settings, tmp_path / "resumed", kill)
    assert [point["step"] for point in read_curve(resumed)] == [2, 4]
    with resumed.open("a") as file:  # as a process that was killed while it wrote leaves it
        file.write('{"step": 6, "train')
    adapt(folder, settings, tmp_path / "resumed", lambda *report: None)
    assert read_curve(resumed) == points


def test_a_point_replaces_those_of_later_steps(tmp_path: Path) -> None:
    for step, loss in ((1, 0.9), (2, 0.8), (3, 0.7), (2, 0.5)):
        add_point(tmp_path / "curve.jsonl", step, {"train_loss": loss})
    assert read_curve(tmp_path / "curve.jsonl") == [{"step": 1, "train_loss": 0.9}, {"step": 2, "train_loss": 0.5}]
    assert read_curve(tmp_path / "none.jsonl") == []


def test_every_fit_of_a_soup_has_a_curve_and_a_head_without_steps_its_candidates(tmp_path: Path) -> None:
    folder = write_snapshot(tmp_path / "s", {"train": 4, "validation": 2})
    save_backbone(tmp_path / "vit")
    adapt(folder, config(tmp_path, adaptation="norms", soup=2, steps=2), tmp_path / "soup", lambda *report: None)
    assert list(CourseOfRun.read(tmp_path / "soup").curves) == ["curve-0", "curve-1"]
    adapt(folder, config(tmp_path, adaptation="nearest-mean"), tmp_path / "head", lambda *report: None)
    [points] = CourseOfRun.read(tmp_path / "head").curves.values()
    assert "candidate" in points[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_tensorboard_is_told_the_settings_the_curve_and_the_metrics(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, settings = write_snapshot(tmp_path / "s", {"train": 4, "validation": 2}), config(tmp_path)
    save_backbone(tmp_path / "vit")
    run, values = tmp_path / "run", settings.model_dump(mode="json")
    with told_to_logs(("tensorboard",), tmp_path, run, values, lambda *report: None) as told:
        result = adapt(folder, settings, run, told)
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    curve = [(event.step, event.value) for event in events.Scalars("validation_loss")]
    assert curve == [
        (point["step"], pytest.approx(point["validation_loss"])) for point in read_curve(run / "curve.jsonl")
    ]
    assert events.Scalars("kept/validation_loss")[0].value == pytest.approx(result.metrics["validation_loss"])
    [text] = events.Tensors("settings/text_summary")
    assert b'"batch_size": 4' in text.tensor_proto.string_val[0]


def test_a_logger_that_is_not_installed_is_refused_before_anything_is_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, module in {"mlflow": "mlflow", "tensorboard": "torch.utils.tensorboard"}.items():
        monkeypatch.setitem(sys.modules, module, None)
        with (
            pytest.raises(BadInput, match=f"--log {name} needs .* which is not installed"),
            told_to_logs((name,), tmp_path, tmp_path / "run", {}, lambda *report: None),
        ):
            pass
    assert not (tmp_path / "run").exists()


def test_run_show_prints_the_course_and_the_evaluations_and_draws_them(project: Project, tmp_path: Path) -> None:
    from tests.cli.curated import curate, train_command
    from tests.cli.queueing import run

    run(curate(project), *train_command(save_backbone(tmp_path / "vit")))
    run(project, "evaluate", "mine", "--bootstrap", "100")
    content = json.loads(run(project, "run", "show", "mine", "--plot", str(tmp_path / "curve.png"), "--json"))
    assert (content["status"], content["snapshot"]) == ("ready", "real")
    assert content["curves"]["curve"][-1]["step"] == 4
    assert content["evaluations"]["test"]["split"] == "test"
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (840, 600)
    shown = CliRunner().invoke(rounds, ["--project", str(project.root), "run", "show", "mine"]).output
    assert "validation_accuracy" in shown
    assert "on test" in shown
