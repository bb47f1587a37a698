"""A bake-off runs what is missing, lists what failed, and reports what each contestant got."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from curation.errors import BadInput, Conflict, NotFound
from curation.progress import silent
from tests.train.snapshots import write_snapshot
from tests.train.tiny import save_backbone
from train.adaptation.rows.table import METHODS
from train.backbones.load import Backbone
from train.bakeoff.bake import RESULTS, UNDER_WAY, ContestantOutcome, bake, missing_runs
from train.bakeoff.bench import BakeoffBench
from train.bakeoff.compare import compare
from train.bakeoff.contestants import PLAN, read_contestants, read_plan
from train.bakeoff.controls import CONTROLS
from train.bakeoff.new_folder import as_toml, write_new_folder
from train.bakeoff.plan import BakeoffPlan
from train.bakeoff.plot import spread
from train.bakeoff.report import write_report


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bakeoff")
    write_snapshot(path / "snapshot", {"train": 6, "validation": 6, "test": 6})
    save_backbone(path / "backbone")
    return path


def bench_of(world: Path, split: str = "validation") -> BakeoffBench:
    from curation.snapshots.folder import SnapshotFolder

    return BakeoffBench(SnapshotFolder.open(world / "snapshot"), split, world, None)  # type: ignore[arg-type]


def folder_of(path: Path, world: Path, contestants: dict[str, str], **changes: object) -> Path:
    values = {"snapshot": "snapshot", "backbone": str(world / "backbone"), "steps": 4, "batch_size": 4, "seeds": [0]}
    path.mkdir()
    (path / PLAN).write_text(as_toml(values | {"evaluations": 2, "n_bootstrap": 100} | changes))
    for name, text in contestants.items():
        (path / name).write_text(text)
    return path


def run(world: Path, folder: Path, on_progress=silent) -> list[ContestantOutcome]:  # type: ignore[no-untyped-def]
    plan = read_plan(folder)
    contestants = read_contestants(folder, plan)
    return bake(bench_of(world), plan, contestants, folder / "out", on_progress)


def made(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in sorted((folder / "out" / RESULTS).glob("*.json"))}


CONTROL_FILES = {f"{name}.toml": f'control = "{name}"' for name in CONTROLS}


def test_a_new_folder_has_what_fits_the_backbone_and_the_controls(world: Path, tmp_path: Path) -> None:
    plan = BakeoffPlan(snapshot="snapshot", backbone=str(world / "backbone"))
    left_out = write_new_folder(tmp_path / "bake", plan, Backbone.load(world / "backbone"))
    assert "conv-adapter" in left_out
    assert read_plan(tmp_path / "bake") == plan
    names = {contestant.name for contestant in read_contestants(tmp_path / "bake", plan)}
    assert names == ({*METHODS} - {*left_out}) | {*CONTROLS}
    with pytest.raises(Conflict):
        write_new_folder(tmp_path / "bake", plan, Backbone.load(world / "backbone"))


def test_controls_and_adaptations_are_compared_with_intervals_budget_and_share(world: Path, tmp_path: Path) -> None:
    files = CONTROL_FILES | {
        "logistic.json": '{"adaptation": "logistic"}',
        "wide.toml": 'adaptation = "lora"\nlora_rank = 16',
    }
    folder = folder_of(tmp_path / "bake", world, files, seeds=[0, 1])
    outcomes = run(world, folder)
    plan = read_plan(folder)
    result = compare(bench_of(world), plan, outcomes)
    rows = {row["name"]: row for row in result["contestants"]}
    assert [*rows] == [*CONTROLS, "logistic", "wide"]
    assert [row["failed"] for row in rows.values() if "failed" in row] == []
    assert {name: row["seeds"] for name, row in rows.items()} == {
        "k-nn": 1, "random-weights": 2, "raw-pixels": 1, "small-cnn": 2, "logistic": 1, "wide": 2
    }  # fmt: skip
    assert {name for name, row in rows.items() if row["steps"] == 4} == {"small-cnn", "wide"}
    assert rows["logistic"]["tries"] > rows["wide"]["tries"] == 1
    assert rows["k-nn"]["share"] is rows["raw-pixels"]["share"] is None
    assert rows["logistic"]["share"] < rows["wide"]["share"] < rows["small-cnn"]["share"] == 1
    assert all(row["auroc"]["low"] <= row["auroc"]["value"] <= row["auroc"]["high"] for row in rows.values())
    assert rows["raw-pixels"]["auroc"]["value"] > 0.9
    write_report(result, folder / "out")
    page = (folder / "out" / "table.md").read_text()
    assert all(f"| `{name}` |" in page for name in rows)
    with (folder / "out" / "table.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == [*rows]
    assert (folder / "out" / "plot.png").stat().st_size > 10_000


def test_what_is_there_is_not_made_again_and_a_changed_contestant_is(world: Path, tmp_path: Path) -> None:
    files = {"probe.toml": 'adaptation = "linear-probe"', "mean.toml": 'adaptation = "nearest-mean"'}
    folder = folder_of(tmp_path / "bake", world, files)
    run(world, folder)
    before = made(folder)
    run(world, folder)
    assert made(folder) == before
    (folder / "probe.toml").write_text('adaptation = "linear-probe"\nlearning_rate = 0.1')
    plan = read_plan(folder)
    missing = missing_runs(bench_of(world), plan, read_contestants(folder, plan), folder / "out")
    assert [contestant.name for contestant in missing] == ["probe"]
    run(world, folder)
    after = made(folder)
    assert after["mean-s0"] == before["mean-s0"]
    assert after["probe-s0"] > before["probe-s0"]


def test_killed_and_called_again_it_goes_on_to_the_same_figures(world: Path, tmp_path: Path) -> None:
    files = {"mean.toml": 'adaptation = "nearest-mean"', "bias.toml": 'adaptation = "bitfit"'}
    whole = run(world, folder_of(tmp_path / "whole", world, files))

    def kill(done: int, total: int, note: str | None) -> None:
        if note and "2 of 4" in note:
            raise Killed

    folder = folder_of(tmp_path / "killed", world, files)
    with pytest.raises(Killed):
        run(world, folder, kill)
    assert list(made(folder)) == ["mean-s0"]
    assert list((folder / "out" / UNDER_WAY).rglob("adaptation.pt"))
    for outcome, expected in zip(run(world, folder), whole, strict=True):
        assert np.array_equal(outcome.runs[0].probabilities, expected.runs[0].probabilities)
    assert not (folder / "out" / UNDER_WAY).exists()


def test_a_contestant_that_fails_is_listed_with_its_reason_and_the_others_run(world: Path, tmp_path: Path) -> None:
    files = {
        "maps.toml": 'adaptation = "conv-adapter"', "hot.toml": 'adaptation = "full"\nlearning_rate = 1e30',
        "mean.toml": 'adaptation = "nearest-mean"',
    }  # fmt: skip
    folder = folder_of(tmp_path / "bake", world, files)
    result = compare(bench_of(world), read_plan(folder), run(world, folder))
    reasons = {row["name"]: row.get("failed") for row in result["contestants"]}
    assert reasons["mean"] is None
    assert "feature maps" in reasons["maps"] or "maps" in reasons["maps"]
    assert reasons["hot"]
    write_report(result, folder / "out")
    assert f"- `maps`: {reasons['maps']}" in (folder / "out" / "table.md").read_text()


def test_every_learning_rate_is_tried_with_the_first_seed_and_the_best_goes_on(world: Path, tmp_path: Path) -> None:
    files = {"probe.toml": 'adaptation = "linear-probe"', "mean.toml": 'adaptation = "nearest-mean"'}
    folder = folder_of(tmp_path / "bake", world, files, seeds=[0, 1], rate_factors=[0.001, 1.0])
    mean, probe = sorted(run(world, folder), key=lambda outcome: outcome.contestant.name)
    assert {*made(folder)} == {"mean-s0", "probe-s0", "probe-s0-x0.001", "probe-s1"}
    assert (probe.tries, mean.contestant.name, len(probe.runs)) == (2, "mean", 2)
    assert {run.facts["rate_factor"] for run in probe.runs} == {1.0}
    losses = [json.loads((folder / "out" / RESULTS / f"{name}.json").read_text())["validation_loss"]
              for name in ("probe-s0", "probe-s0-x0.001")]  # fmt: skip
    assert losses[0] < losses[1]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "adaptation = ", "a.toml: expected entries as TOML"),
        ("a.json", "[]", "expected entries under names"),
        ("a.toml", 'adaptation = "lora"\ncontrol = "k-nn"', "either an adaptation or a control"),
        ("a.toml", 'control = "oracle"', "expected a control of k-nn"),
        ("a.toml", 'adaptation = "lora"\nseed = 3', "seed cannot differ between contestants"),
        ("a.toml", 'adaptation = "magic"', "a.toml: .*rounds adaptations"),
        ("a.toml", 'adaptation = "lora"\ndora_rank = 4', "a.toml: .*belongs to the adaptation dora"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(world: Path, tmp_path: Path, name: str, text: str, said: str) -> None:
    folder = folder_of(tmp_path / "bake", world, {name: text})
    with pytest.raises(BadInput, match=said):
        read_contestants(folder, read_plan(folder))


def test_a_folder_without_a_plan_or_without_contestants_is_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is no bake-off"):
        read_plan(tmp_path)
    folder = folder_of(tmp_path / "bake", world, {})
    with pytest.raises(BadInput, match="has no contestants"):
        read_contestants(folder, read_plan(folder))
    with pytest.raises(BadInput, match="seeds without repeats"):
        BakeoffPlan(snapshot="snapshot", seeds=(1, 1))


def test_equal_shares_stand_side_by_side_in_the_plot() -> None:
    places = spread([0.001, 0.001, 0.5, 1.0])
    assert places == sorted(set(places))
    assert places[0] == pytest.approx(0.001)
