"""A fit that diverged is no result: it says which option to lower, and the same name works again."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from sqlalchemy import select

from curation.errors import BadInput, Diverged, LeakRefused, NotFound
from curation.project import Project
from curation.tables.generation import Generator
from curation.tables.images import BuildStatus
from curation.tables.operations import JobStatus
from curation.tables.training import Run, Study
from tests.cli.curated import study_command, train_command
from tests.cli.queueing import job_of, queue, run, work
from tests.cli.test_queued import count
from tests.generate.folders import tiny_recipe
from train.adaptation.run_folder import run_digest

pytestmark = pytest.mark.slow  # each begins a fit
TOO_HIGH = ("--learning-rate", "1e38")


def statuses(project: Project, table: type[Run] | type[Study]) -> list[BuildStatus]:
    with project.database.read() as session:
        return list(session.scalars(select(table.status)))


def names(project: Project) -> list[str]:
    with project.database.read() as session:
        return list(session.scalars(select(Generator.name).order_by(Generator.id)))


@pytest.mark.parametrize("adaptation", ["linear-probe", "lora"])
def test_a_run_that_diverged_leaves_nothing_and_its_name_is_free(
    curated: Project,
    backbone: Path,
    adaptation: str,
) -> None:
    with pytest.raises(Diverged, match="Repeat with a lower --learning-rate than 1e\\+38, under the same name"):
        run(curated, *train_command(backbone, "--adaptation", adaptation, *TOO_HIGH))
    assert statuses(curated, Run) == [BuildStatus.FAILED]
    assert not (curated.root / "runs" / "mine").exists()
    with pytest.raises(NotFound, match="not a finished run"):
        run(curated, "evaluate", "mine")
    assert count(curated, "test.opened") == 0
    run(curated, *train_command(backbone, "--adaptation", adaptation, "--learning-rate", "1e-3"))
    assert statuses(curated, Run) == [BuildStatus.READY]
    run(curated, "evaluate", "mine", "--bootstrap", "100")


def test_a_queued_run_that_diverged_fails_its_job_and_can_be_queued_again(curated: Project, backbone: Path) -> None:
    job = queue(curated, *train_command(backbone, *TOO_HIGH))
    work(curated)
    assert job_of(curated, job).status is JobStatus.FAILED
    assert "--learning-rate" in str(job_of(curated, job).error)
    again = queue(curated, *train_command(backbone, "--learning-rate", "1e-3"))
    work(curated)
    assert job_of(curated, again).status is JobStatus.DONE
    assert statuses(curated, Run) == [BuildStatus.READY]


def test_a_study_that_diverged_leaves_nothing_and_its_name_is_free(curated: Project, backbone: Path) -> None:
    with pytest.raises(Diverged, match="lower --learning-rate than 1e\\+38"):
        run(curated, *study_command(backbone, *TOO_HIGH))
    assert statuses(curated, Study) == [BuildStatus.FAILED]
    assert not (curated.root / "studies" / "first").exists()
    run(curated, *study_command(backbone, "--learning-rate", "1e-3"))
    assert statuses(curated, Study) == [BuildStatus.READY]


def test_nothing_is_recorded_of_a_run_or_a_study_that_is_refused(curated: Project, backbone: Path) -> None:
    (backbone / "card.json").unlink()
    command = [word for word in train_command(backbone) if word != "--allow-unknown-provenance"]
    with pytest.raises(LeakRefused, match=r"no card\.json that says what it saw"):
        run(curated, *command)
    (backbone / "preprocessor_config.json").write_text(json.dumps({"size": 40, "image_processor_type": "ViT"}))
    with pytest.raises(BadInput, match="image_processor_type 'ViT' has steps that are not known"):
        run(curated, *study_command(backbone))
    assert (statuses(curated, Run), statuses(curated, Study)) == ([], [])
    assert count(curated, "test.opened") == 0


def test_a_run_with_logits_that_are_no_numbers_is_not_measured(curated: Project, backbone: Path) -> None:
    run(curated, *train_command(backbone))
    directory = curated.root / "runs" / "mine"
    head = load_file(directory / "head.safetensors")
    head["bias"][0] = float("nan")
    save_file(head, directory / "head.safetensors")
    card = json.loads((directory / "card.json").read_text())
    (directory / "card.json").write_text(json.dumps(card | {"digest": run_digest(directory)}))
    with pytest.raises(Diverged, match="no finite numbers for 6 of 6 images"):
        run(curated, "evaluate", "mine")
    assert not (directory / "evaluation-test.json").exists()


def test_a_generator_that_diverged_frees_its_name(curated: Project, tmp_path: Path) -> None:
    recipe = tiny_recipe()
    high = recipe.model_copy(update={"flow": recipe.flow.model_copy(update={"learning_rate": 1e38})})
    path = tmp_path / "recipe.json"
    fit = ("generator", "fit", "--snapshot", "real", "--name", "mine", "--recipe", str(path))
    path.write_text(high.model_dump_json())
    with pytest.raises(Diverged, match=r"Lower flow\.learning_rate, now 1e\+38, in the recipe"):
        run(curated, *fit)
    assert names(curated) == ["g"]
    path.write_text(recipe.model_dump_json())
    run(curated, *fit)
    assert names(curated) == ["g", "mine"]
