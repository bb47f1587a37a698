"""`rounds generator` and `rounds generate` as a user meets them."""

import json
import os
import pty
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

import generate.latent_flow.suggest
from cli.generate import parse_counts
from cli.main import rounds
from cli.terminal import confirm
from curation.errors import BadInput, Conflict, NotFound, RoundsError
from curation.project import Project
from curation.tables.generation import Screening
from curation.tables.images import Split
from curation.tables.operations import Job, JobStatus
from generate.latent_flow.recipe import FitRecipe
from tests.generate.folders import tiny_recipe, write_folder
from tests.rows import add_import, add_real

REQUEST = ("generate", "--generator", "tiny-flow", "--count", "bright=2,dark=1", "--seed", "7", "--steps", "4")


def run(root: Path, *arguments: str) -> Result:
    """Run a command; an error meant for the user is raised as it is."""
    result = CliRunner().invoke(rounds, ["--project", str(root), *arguments])
    if isinstance(result.exception, RoundsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The tiny recipe as a file."""
    path = tmp_path / "recipe.json"
    path.write_text(tiny_recipe().model_dump_json())
    return path


@pytest.mark.slow
def test_an_added_generator_is_listed_and_shown(project: Project, fitted: Path) -> None:
    output = run(project.root, "generator", "add", str(fitted)).output
    assert "generator tiny-flow: generates dark, bright" in output
    assert "made for a test" in output
    (listed,) = json.loads(run(project.root, "generator", "list", "--json").stdout)
    assert listed["name"] == "tiny-flow"
    assert listed["fitted on"] == "8 images, tiny"
    shown = json.loads(run(project.root, "generator", "show", "tiny-flow", "--json").stdout)
    assert shown["classes"] == ["dark", "bright"]
    assert "losses" not in shown


@pytest.mark.slow
def test_a_request_is_queued_and_the_same_one_again_is_the_same_batch(project: Project, fitted: Path) -> None:
    run(project.root, "generator", "add", str(fitted))
    assert "queued: `rounds worker` generates it" in run(project.root, *REQUEST).output
    first, again = (json.loads(run(project.root, *REQUEST, "--json").stdout) for _ in range(2))
    assert first == again
    assert first["images"] == 3
    with project.database.read() as session:
        assert session.get_one(Job, first["job"]).status is JobStatus.QUEUED


@pytest.mark.slow
def test_wait_draws_here(project: Project, fitted: Path) -> None:
    run(project.root, "generator", "add", str(fitted))
    facts = json.loads(run(project.root, *REQUEST, "--wait", "--json").stdout)
    with project.database.read() as session:
        job = session.get_one(Job, facts["job"])
    assert (job.status, job.done, job.total) == (JobStatus.DONE, 3, 3)
    assert facts["pass"] + facts["flag"] + facts["block"] == 3
    assert set(facts["left_out_by_default"]) == {"bright", "dark"}


@pytest.mark.slow
def test_wait_fails_with_the_screening_and_repeated_it_screens_again(project: Project, fitted: Path) -> None:
    run(project.root, "generator", "add", str(fitted))
    in_the_way = project.root / "embeddings"
    in_the_way.write_text("no directory")
    with pytest.raises(RoundsError, match=r"job 2 \(screen\) is failed: .*embeddings cannot be used"):
        run(project.root, *REQUEST, "--wait")
    in_the_way.unlink()
    facts = json.loads(run(project.root, *REQUEST, "--wait", "--json").stdout)
    with project.database.read() as session:
        assert session.scalars(select(Screening.batch_id)).all() == [facts["batch"]]


@pytest.mark.slow
def test_what_cannot_be_drawn_is_named(project: Project, fitted: Path) -> None:
    with pytest.raises(NotFound, match="no generator named 'tiny-flow'; there are: none yet"):
        run(project.root, *REQUEST)
    run(project.root, "generator", "add", str(fitted))
    with pytest.raises(BadInput, match="got purple"):
        run(project.root, "generate", "--generator", "tiny-flow", "--count", "purple=1")
    with pytest.raises(BadInput, match="greater than or equal to 1"):
        run(project.root, "generate", "--generator", "tiny-flow", "--count", "dark=0")


@pytest.mark.slow
def test_a_generator_is_fitted_on_a_snapshot_of_the_project_and_generates(project: Project, recipe: Path) -> None:
    with project.database.write() as session:
        source = add_import(session)
        for number in range(12):
            split = Split.VALIDATION if number >= 8 else Split.TRAIN
            add_real(project, session, source, number, ("a", "b")[number % 2], split)
    run(project.root, "snapshot", "build", "real", "--synthetic", "none")
    run(project.root, "generator", "fit", "--snapshot", "real", "--name", "mine", "--recipe", str(recipe))
    facts = json.loads(run(project.root, "generate", "--generator", "mine", "--count", "a=2,b=1", "--json").stdout)
    assert facts["images"] == 3
    shown = json.loads(run(project.root, "generator", "show", "mine", "--json").stdout)
    fitted_on = shown["fitted_on"]
    assert (fitted_on["n_images"], fitted_on["n_subjects"], fitted_on["snapshot"]) == (8, 8, "real")
    assert (fitted_on["ancestors"], fitted_on["unknown"]) == ([], [])
    with pytest.raises(BadInput, match="expected up to 100 letters"):
        run(project.root, "generator", "fit", "--snapshot", "real", "--name", "../mine")


@pytest.mark.slow
def test_a_generator_is_fitted_on_a_folder_outside_any_project(tmp_path: Path, recipe: Path) -> None:
    folder = write_folder(tmp_path / "tiny")
    out = tmp_path / "out"
    fit = ["generator", "fit", "--snapshot-folder", str(folder.path), "--recipe", str(recipe), "--out", str(out)]
    assert "the grids in it show how the fit went" in run(tmp_path, *fit).output
    assert json.loads((out / "card.json").read_text())["name"] == "out"


@pytest.mark.parametrize(
    "options", [[], ["--snapshot", "a", "--snapshot-folder", "."], ["--snapshot", "a"], ["--snapshot-folder", "."]]
)
def test_options_of_fit_that_do_not_go_together_are_a_usage_error(project: Project, options: list[str]) -> None:
    result = CliRunner().invoke(rounds, ["--project", str(project.root), "generator", "fit", *options])
    assert result.exit_code == 2
    assert "Usage:" in result.output


def test_counts_are_read_and_those_of_one_class_added() -> None:
    assert parse_counts("normal=40, ring_lesion=40,normal=2") == {"normal": 42, "ring_lesion": 40}


@pytest.mark.parametrize("text", ["", "normal", "normal=", "=4", "normal=-1", "normal=4,", "normal=1.5"])
def test_counts_that_cannot_be_read_are_named(text: str) -> None:
    with pytest.raises(BadInput, match="expected CLASS=NUMBER"):
        parse_counts(text)


@pytest.mark.slow
def test_more_than_ten_thousand_images_are_asked_for_and_without_a_terminal_refused(
    project: Project, fitted: Path
) -> None:
    run(project.root, "generator", "add", str(fitted))
    many = ("generate", "--generator", "tiny-flow", "--count", "bright=10001", "--steps", "4")
    with pytest.raises(BadInput, match=r"Generate 10,001 images\? Nobody can be asked here: give --yes"):
        run(project.root, *many)
    with project.database.read() as session:
        assert session.scalars(select(Job)).all() == []
    result = run(project.root, *many, "--yes")
    assert result.stderr.startswith("10,001 images take about ")
    assert " on this machine, as measured now" in result.stderr
    with project.database.read() as session:
        assert session.scalars(select(Job)).one().status is JobStatus.QUEUED


@pytest.mark.parametrize("answer", ["y", "n"])
def test_on_a_terminal_a_question_is_asked(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outside, inside = pty.openpty()
    with os.fdopen(inside) as terminal, os.fdopen(outside, "w") as keyboard:
        monkeypatch.setattr("sys.stdin", terminal)
        keyboard.write(f"{answer}\n")
        keyboard.flush()
        if answer == "y":
            confirm("Go on?", yes=False)
        else:
            with pytest.raises(click.Abort):
                confirm("Go on?", yes=False)


@pytest.mark.slow
def test_a_recipe_for_so_many_hours_is_written_with_reasons_and_fits(
    curated: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate.latent_flow.suggest, "SIZES", {"tiny": ((8, 16), (32, 32))})
    out = tmp_path / "mine.json"
    wanted = ("generator", "recipe", "--for", "real", "--hours", "0.01", "--out", str(out))
    told = run(curated.root, *wanted).output
    assert "tiny networks: channels (8, 16) and (32, 32); a step took" in told
    assert f"{out}: about " in told
    assert FitRecipe.read(out).autoencoder.block_out_channels == (8, 16)
    with pytest.raises(Conflict, match="exists already"):
        run(curated.root, *wanted)
    facts = json.loads(run(curated.root, *wanted[:-1], str(tmp_path / "again.json"), "--json").stdout)
    assert facts["estimate"]["total_s"] > 0
    assert len(facts["reasons"]) >= 5


@pytest.mark.slow
def test_a_fit_says_how_long_it_will_take_before_it_begins(curated: Project, recipe: Path) -> None:
    result = run(curated.root, "generator", "fit", "--snapshot", "real", "--name", "mine", "--recipe", str(recipe))
    assert result.stderr.startswith("the fit takes about ")
    assert "on this machine" in result.stderr.splitlines()[0]
