"""Fits, runs and studies whose process was killed are shown as interrupted, and go on."""

import json
import os
import signal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from cli.main import rounds
from curation.errors import BadInput, Conflict, NotFound
from curation.locks import being_made
from curation.progress import silent
from curation.project import Project
from curation.tables.generation import Generator
from curation.verification.verify import verify_project
from tests.cli.curated import study_command, train_command
from tests.cli.queueing import run
from tests.processes import fork
from train.fitting.phase import Phase


def _command_that_dies(root: Path, *arguments: str) -> None:
    """Run a command that is killed as soon as it has written a checkpoint."""
    save = Phase._save

    def save_and_die(phase: Phase) -> None:
        save(phase)
        os.kill(os.getpid(), signal.SIGKILL)

    pytest.MonkeyPatch().setattr(Phase, "_save", save_and_die)
    rounds(["--project", str(root), *arguments])


def kill(project: Project, *arguments: str) -> None:
    project.database.dispose()
    process = fork(_command_that_dies, project.root, *arguments)
    process.join(200)
    assert process.exitcode == -signal.SIGKILL


def state(project: Project, group: str, name: str) -> str:
    rows = json.loads(run(project, group, "list", "--json"))
    return next(str(row["status"]) for row in rows if row["name"] == name)


def faults_of_runs(project: Project) -> list[str]:
    """What verification finds wrong with runs; the other rows of this project were made without their events."""
    return [fault for fault in verify_project(project, silent).faults if fault.startswith("run ")]


def status_of(project: Project, list_name: str, name: str) -> str:
    rows = json.loads(run(project, "status", "--json"))[list_name]
    return next(str(row["status"]) for row in rows if row["name"] == name)


@pytest.mark.slow
def test_a_killed_run_is_interrupted_and_resumed_by_its_name(curated: Project, backbone: Path) -> None:
    kill(curated, *train_command(backbone))
    assert state(curated, "run", "mine") == status_of(curated, "runs", "mine") == "interrupted"
    assert "interrupted: the same command continues it" in run(curated, "status")
    with being_made(curated, "run", "mine"):
        assert state(curated, "run", "mine") == "running"
        with pytest.raises(Conflict, match="another process is at run 'mine'"):
            run(curated, "train", "--resume", "mine")
    with pytest.raises(NotFound, match="no run named 'other'"):
        run(curated, "train", "--resume", "other")
    run(curated, "train", "--resume", "mine")
    assert state(curated, "run", "mine") == "ready"
    with pytest.raises(BadInput, match=r"Remove run 'mine' \(\d+ files.*give --yes to go on"):
        run(curated, "run", "remove", "mine")
    assert "removed run 'mine'" in run(curated, "run", "remove", "mine", "--yes")
    assert faults_of_runs(curated) == []
    run(curated, *train_command(backbone))
    assert state(curated, "run", "mine") == "ready"
    assert faults_of_runs(curated) == []


@pytest.mark.slow
def test_a_killed_fit_is_listed_among_the_generators_and_resumed(curated: Project, recipe: Path) -> None:
    with curated.database.write() as session:
        other = session.scalars(select(Generator)).one()
        other.card = {"classes": ["a", "b"], "fitted_on": {"n_images": 1, "snapshot": "elsewhere"}}
    kill(curated, "generator", "fit", "--snapshot", "real", "--name", "mine", "--recipe", str(recipe))
    assert state(curated, "generator", "mine") == status_of(curated, "fits", "mine") == "interrupted"
    with pytest.raises(NotFound, match="unfinished are: mine"):
        run(curated, "generator", "fit", "--resume", "other")
    run(curated, "generator", "fit", "--resume", "mine")
    assert state(curated, "generator", "mine") == "ready"
    assert json.loads(run(curated, "status", "--json"))["fits"] == []


@pytest.mark.slow
def test_a_killed_study_is_interrupted_and_the_same_command_continues_it(curated: Project, backbone: Path) -> None:
    command = [*study_command(backbone), "--real-per-class", "2"]
    kill(curated, *command)
    assert state(curated, "study", "first") == status_of(curated, "studies", "first") == "interrupted"
    with pytest.raises(NotFound, match="no study named 'other' has begun; the studies are: first"):
        run(curated, "study", "run", "--resume", "other")
    run(curated, "study", "run", "--resume", "first")
    assert state(curated, "study", "first") == "ready"
    report = (curated.root / "studies" / "first" / "result.json").read_bytes()
    run(curated, *command)
    assert (curated.root / "studies" / "first" / "result.json").read_bytes() == report


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("train", "--steps", "3", "--backbone", "shipped"), "--backbone, --steps"),
        (("study", "run", "--seeds", "2"), "--replicates"),
        (("generator", "fit", "--name", "y", "--autoencoder-from", "z"), "--name, --autoencoder-from"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_what_would_have_no_effect_beside_resume_is_refused(
    project: Project, words: tuple[str, ...], named: str
) -> None:
    with pytest.raises(click.UsageError) as refused:
        rounds(["--project", str(project.root), *words, "--resume", "x"], standalone_mode=False)
    assert refused.value.message == f"--resume NAME goes without {named}: what it continues has its own"


def test_a_study_is_named_once(project: Project) -> None:
    for words in ([], ["first", "--resume", "first"]):
        with pytest.raises(click.UsageError, match="either NAME or --resume NAME"):
            rounds(["--project", str(project.root), "study", "run", *words], standalone_mode=False)


def test_ctrl_c_ends_a_command_in_one_line_and_with_the_status_that_shells_know(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.project.project_status", stop)
    result = CliRunner().invoke(rounds, ["--project", str(project.root), "status"])
    assert result.exit_code == 130
    assert result.output == "\nrounds: stopped. Nothing half-made counts; the same command again goes on.\n"
