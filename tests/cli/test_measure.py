"""`rounds measure` as a user meets it."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from curation.errors import BadInput, NotFound, RoundsError
from curation.project import Project
from tests.cli.test_screening import run
from tests.screening.set_measures.room import NOTICE
from tests.train.tiny import save_backbone
from tests.worlds.shared import fill_from

PICTURES = {"measures.png", "spectra.png", "map.png", "modes.png", "odds.png", "medoids.png"}


@pytest.fixture
def arguments(project: Project, proxy_read_set_world: Path, tmp_path: Path) -> list[str]:
    """A project with images that a proxy read; the command that measures the approved ones."""
    fill_from(project, proxy_read_set_world)
    backbone = str(save_backbone(tmp_path / "tiny-vit"))
    return ["measure", "run", "--worklist", "first", "--resamples", "20", "--backbone", backbone]


@pytest.mark.slow
def test_a_set_is_measured_listed_shown_and_drawn(project: Project, arguments: list[str], tmp_path: Path) -> None:
    output = run(project, *arguments).output
    for words in ("real against real", "Membership: Cannot be said", "proxy (a model) alone", NOTICE, "left out"):
        assert words in output
    measured = json.loads(run(project, *arguments, "--json").stdout)
    [line] = json.loads(run(project, "measure", "list", "--json").stdout)
    assert (line["id"], line["set"], line["n"]) == (measured["id"], "approved of first", {"whole": 36})
    out = tmp_path / "measured"
    shown = run(project, "measure", "show", str(measured["id"]), "--out", str(out), "--json")
    assert json.loads(shown.stdout)["result"] == measured["result"]
    assert {path.name for path in out.iterdir()} == PICTURES | {"measurement.json", "figures.csv"}
    for name in PICTURES:
        with PillowImage.open(out / name) as picture:
            assert min(picture.size) > 100
    with (out / "figures.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["outcomes_by"] for row in rows} == {"proxy (a model) alone"}
    coverage = [row for row in rows if (row["figure"], row["level"]) == ("coverage", "drawn")]
    assert all(float(row["low_95"]) <= float(row["value"]) <= float(row["high_95"]) for row in coverage)


@pytest.mark.slow
def test_what_cannot_be_measured_is_one_sentence_and_stores_nothing(project: Project, arguments: list[str]) -> None:
    with pytest.raises(BadInput, match="Give a smaller --n"):
        run(project, *arguments, "--n", "500")
    with pytest.raises(AssertionError, match="2 is not in the range 20<=x<=4000"):
        run(project, *arguments, "--n", "2")
    with pytest.raises(NotFound, match="no measurement 7"):
        run(project, "measure", "show", "7")
    assert json.loads(run(project, "measure", "list", "--json").stdout) == []


@pytest.mark.slow
def test_a_worker_measures_what_was_queued_as_the_command_does_and_once(
    project: Project, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    queued = [
        *arguments[:-1],
        "tiny-vit",
        "--queue",
        "--json",
    ]  # a directory as the user named it, from where they stood
    jobs = [json.loads(run(project, *queued).stdout)["job"] for _ in range(2)]
    assert len(set(jobs)) == 2
    assert json.loads(run(project, "measure", "list", "--json").stdout) == []
    monkeypatch.chdir(project.root)
    run(project, "worker", "--until-idle", "--quiet")
    rows = json.loads(run(project, "jobs", "list", "--json").stdout)
    assert [(row["kind"], row["status"]) for row in rows] == [("measure", "done")] * 2
    [line] = json.loads(run(project, "measure", "list", "--json").stdout)
    assert line["set"] == "approved of first"
    here = json.loads(run(project, *arguments, "--json").stdout)
    assert here["id"] == line["id"]  # what the worker measured is what the command would have


@pytest.mark.slow
def test_what_cannot_be_measured_is_not_queued_and_what_fails_later_says_why(
    project: Project, arguments: list[str]
) -> None:
    with pytest.raises(NotFound, match="no worklist named 'other'"):
        run(project, "measure", "run", "--worklist", "other", "--queue")
    with pytest.raises(AssertionError, match="--out goes without --queue"):
        run(project, *arguments, "--queue", "--out", "x")
    assert json.loads(run(project, "jobs", "list", "--json").stdout) == []
    run(project, *arguments, "--n", "500", "--queue")
    with pytest.raises(RoundsError, match=r"failed: job 1 \(measure\)"):
        run(project, "worker", "--until-idle", "--quiet")
    [row] = json.loads(run(project, "jobs", "list", "--json").stdout)
    assert row["status"] == "failed"
    assert "Give a smaller --n" in row["note"]
