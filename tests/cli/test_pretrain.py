"""`rounds backbone pretrain`: options, recipes, queue, and what it prints."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import rounds
from cli.terminal import now
from curation.errors import BadInput
from curation.jobs import enqueue_request, open_jobs_naming
from curation.project import Project
from curation.tables.operations import JobStatus
from tests.cli.queueing import job_of, queue, run, work
from tests.train.pretraining.test_pretrain import RECIPE
from train.pretraining.continued_recipe import ContinuedRecipe
from train.pretraining.request import PretrainRequest

HEAD = ("backbone", "pretrain", "--snapshot", "real")
TAIL = ("--allow-unknown-provenance", "--steps", "2", "--batch-size", "2")


def pretrain_command(objective: str, backbone: Path, out: Path, *more: str) -> tuple[str, ...]:
    return (*HEAD, "--objective", objective, "--backbone", str(backbone), "--out", str(out), *TAIL, *more)


def write_recipe(tmp_path: Path, backbone: Path) -> Path:
    """A hybrid for as few images as the project has."""
    path = tmp_path / "recipe.json"
    recipe = {
        "name": "own", "backbone": str(backbone), "steps": 2, "batch_size": 2, "held_out": 2, "lora_rank": 2,
        "allow_unknown_provenance": True,
        "objective": {"kind": "hybrid", "self_supervised": {"kind": "simmim"}, "weights": [0.5]},
    }  # fmt: skip
    path.write_text(json.dumps(recipe))
    return path


@pytest.mark.slow
def test_a_recipe_is_fitted_here_or_by_a_worker_and_both_give_the_same_weights(
    curated: Project, backbone: Path, tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, backbone)
    report = json.loads(run(curated, *HEAD, "--recipe", str(recipe), "--out", str(tmp_path / "here"), "--json"))
    assert (report["objective"], report["directory"]) == ("hybrid", str(tmp_path / "here"))
    job = queue(curated, *HEAD, "--recipe", str(recipe), "--out", str(tmp_path / "there"))
    assert work(curated)
    assert job_of(curated, job).status is JobStatus.DONE
    here, there = (json.loads((tmp_path / name / "card.json").read_text()) for name in ("here", "there"))
    assert here["digest"] == there["digest"]
    assert (report["word"], report["probe"]) == (here["word"], here["probe"]) == (there["word"], there["probe"])
    assert there["made_by"].endswith("--queue")


@pytest.mark.slow
def test_a_recipe_without_an_objective_starts_from_nothing_only_when_forced(curated: Project, tmp_path: Path) -> None:
    recipe = tmp_path / "vit.json"
    recipe.write_text(RECIPE.model_copy(update={"batch_size": 4, "steps": 1}).model_dump_json())
    command = (*HEAD, "--recipe", str(recipe), "--out", str(tmp_path / "vit"))
    with pytest.raises(BadInput, match=r"expected 30,000 real training images or more .* force it with --from-nothing"):
        run(curated, *command)
    with pytest.raises(BadInput, match="30,000"):
        queue(curated, *command)
    assert f"use it with --backbone {tmp_path / 'vit'}" in run(curated, *command, "--from-nothing")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--objective", "simmim", "--recipe"), "--objective does not go with --recipe"),
        ((), "give --objective NAME, or --recipe FILE"),
        (("--objective", "feature-distillation"), "--teacher goes with --objective feature-distillation"),
        (("--objective", "simmim", "--teacher", "shipped"), "--teacher goes with --objective feature-distillation"),
        (("--objective", "simmim", "--input-size", "4"), "--input-size"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(
    curated: Project, backbone: Path, tmp_path: Path, more: tuple[str, ...], message: str
) -> None:
    if more[-1:] == ("--recipe",):
        more = (*more, str(write_recipe(tmp_path, backbone)))
    command = ["--project", str(curated.root), *HEAD, *more, "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(rounds, command)
    assert result.exit_code != 0
    assert message in (result.output if isinstance(result.exception, SystemExit) else str(result.exception))


@pytest.mark.parametrize(
    "objective",
    [
        {"kind": "feature-distillation", "teacher": "eye"},
        {"kind": "hybrid", "self_supervised": {"kind": "feature-distillation", "teacher": "eye"}},
    ],
)
def test_a_backbone_that_a_queued_pretraining_starts_from_or_learns_from_is_waited_for(
    project: Project, objective: dict[str, object]
) -> None:
    recipe = ContinuedRecipe.checked(name="own", objective=objective, backbone="start")
    request = PretrainRequest(snapshot="real", recipe=recipe, out="/own")
    with project.database.write() as session:
        job = enqueue_request(session, now(), "pretrain", request.model_dump(mode="json"))
        for name in ("start", "eye"):
            assert open_jobs_naming(session, "backbone", name) == [job]
        assert open_jobs_naming(session, "backbone", "other") == []
