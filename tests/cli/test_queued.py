"""Fits, runs, evaluations and studies that a command queues and a worker does."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cli.terminal import now
from curation.errors import BadInput, Conflict, NotFound
from curation.project import Project
from curation.tables.generation import Generator
from curation.tables.images import BuildStatus, Split
from curation.tables.operations import Event, Job, JobStatus
from curation.tables.training import Evaluation, Run, Study
from tests.cli.curated import study_command, train_command
from tests.cli.queueing import job_of, queue, run, work
from tests.cli.worker_process import wait_for, worker_process
from tests.generate.folders import tiny_recipe
from tests.train.distillation.test_distil import RECIPE as DISTILLATION
from tests.train.pretraining.test_pretrain import RECIPE


def count(project: Project, kind: str) -> int:
    """How many events of this kind there are."""
    with project.database.read() as session:
        return session.scalar(select(func.count()).select_from(Event).where(Event.kind == kind)) or 0


@pytest.mark.slow
def test_a_queued_fit_ends_in_a_generator_and_stopped_midway_it_goes_on(curated: Project, recipe: Path) -> None:
    fit = ("generator", "fit", "--snapshot", "real", "--name", "mine", "--recipe", str(recipe), "--queue")
    assert "queued: `rounds worker` does it" in run(curated, *fit)
    run(curated, *fit)
    [listed] = json.loads(run(curated, "jobs", "list", "--json"))
    assert (listed["kind"], listed["about"], listed["status"]) == ("fit", "mine", "queued")
    assert work(curated, reports=2)  # the first is the estimate
    job = job_of(curated, listed["job"])
    assert (job.status, job.done > 0, job.total) == (JobStatus.QUEUED, True, 6)
    assert (job.note or "").startswith("autoencoder, loss")
    assert work(curated)
    assert job_of(curated, job.id).status is JobStatus.DONE
    with curated.database.read() as session:
        generator = session.scalars(select(Generator).where(Generator.name == "mine")).one()
    assert generator.card["made_by"] == "rounds generator fit --snapshot real --name mine --queue"
    run(curated, *fit)
    assert work(curated)
    assert not work(curated)
    assert count(curated, "generator.added") == 1
    recipe.write_text(tiny_recipe(seed=1).model_dump_json())
    with pytest.raises(Conflict, match="another snapshot or recipe"):
        run(curated, *fit)


@pytest.mark.slow
def test_a_queued_run_is_trained_once_and_evaluated_on_record(curated: Project, backbone: Path) -> None:
    first = queue(curated, *train_command(backbone))
    assert queue(curated, *train_command(backbone)) == first
    assert work(curated)
    assert job_of(curated, first).status is JobStatus.DONE
    again = queue(curated, *train_command(backbone))
    assert again != first
    assert work(curated)
    assert job_of(curated, again).status is JobStatus.DONE
    with curated.database.read() as session:
        [made] = session.scalars(select(Run)).all()
    assert (made.status, count(curated, "run.finished")) == (BuildStatus.READY, 1)
    with pytest.raises(Conflict, match="another snapshot or configuration"):
        queue(curated, *train_command(backbone, "--seed", "3"))

    job = queue(curated, "evaluate", "mine", "--bootstrap", "100")
    assert count(curated, "test.opened") == 0
    assert work(curated)
    assert (job_of(curated, job).status, count(curated, "test.opened")) == (JobStatus.DONE, 1)
    assert "auroc 0." in (job_of(curated, job).note or "") or "auroc 1." in (job_of(curated, job).note or "")
    with curated.database.read() as session:
        [evaluation] = session.scalars(select(Evaluation)).all()
    assert (evaluation.split, evaluation.metrics["n_bootstrap"]) == (Split.TEST, 100)
    with pytest.raises(NotFound, match="no run named"):
        queue(curated, "evaluate", "nobody")


@pytest.mark.slow
def test_a_queued_study_stopped_midway_keeps_what_is_finished(curated: Project, backbone: Path) -> None:
    job = queue(curated, *study_command(backbone))
    runs = curated.root / "studies" / "first" / "runs"
    reports = 1
    while not list(runs.glob("*/*/card.json")):
        assert work(curated, reports)
        assert job_of(curated, job).status is JobStatus.QUEUED
        reports += 3
    finished = {path: path.stat().st_mtime_ns for path in runs.glob("*/*/card.json")}
    assert len(finished) < 4
    assert work(curated)
    assert job_of(curated, job).status is JobStatus.DONE
    assert len(list(runs.glob("*/*/card.json"))) == 4
    assert all(path.stat().st_mtime_ns == at for path, at in finished.items())
    with curated.database.read() as session:
        [study] = session.scalars(select(Study)).all()
    assert (study.status, count(curated, "study.finished")) == (BuildStatus.READY, 1)
    assert "rounds study run first --queue" in (curated.root / study.directory / "report.md").read_text()
    assert count(curated, "test.opened") >= 1
    with pytest.raises(BadInput, match="expected arms of"):
        queue(curated, *study_command(backbone, "--arm", "plus_nothing"))
    with pytest.raises(Conflict, match="another plan"):
        queue(curated, *study_command(backbone, "--split", "validation"))


@pytest.mark.slow
def test_a_fit_survives_a_killed_worker_and_ends_when_it_is_cancelled(curated: Project, tmp_path: Path) -> None:
    recipe = tmp_path / "long.json"
    long = {"steps": 4_000, "batch_size": 4, "layers_per_block": 1}
    values = json.loads(tiny_recipe(grid_every=4_000, checkpoint_every=10).model_dump_json())
    recipe.write_text(json.dumps(values | {"autoencoder": values["autoencoder"] | long}))
    run(curated, "generator", "fit", "--snapshot", "real", "--name", "mine", "--recipe", str(recipe), "--queue")
    with worker_process(curated) as process:
        wait_for(lambda: job_of(curated, 1).done >= 20, process.is_alive)
        process.kill()
        process.join()
    killed_at = job_of(curated, 1).done
    with curated.database.write() as session:
        session.get_one(Job, 1).lease_until = now() - timedelta(seconds=1)  # as a minute would
    with worker_process(curated) as process:
        wait_for(lambda: job_of(curated, 1).attempts == 2 and job_of(curated, 1).done > killed_at, process.is_alive)
        run(curated, "jobs", "cancel", "1")
        process.terminate()
        process.join(timeout=100)
        assert process.exitcode == 0
    job = job_of(curated, 1)
    assert (job.status, job.error) == (JobStatus.CANCELLED, None)
    assert count(curated, "generator.added") == 0


@pytest.mark.slow
def test_a_queued_pretraining_ends_in_a_backbone_and_stopped_midway_it_goes_on(
    curated: Project, tmp_path: Path
) -> None:
    recipe = tmp_path / "vit.json"
    recipe.write_text(RECIPE.model_copy(update={"batch_size": 4}).model_dump_json())
    command = ("backbone", "pretrain", "--snapshot", "real", "--recipe", str(recipe), "--out", str(tmp_path / "vit"))
    command = (*command, "--from-nothing")
    assert "queued: `rounds worker` does it" in run(curated, *command, "--queue")
    [listed] = json.loads(run(curated, "jobs", "list", "--json"))
    assert (listed["kind"], listed["about"], listed["status"]) == ("pretrain", "real", "queued")
    assert work(curated, reports=2)
    assert job_of(curated, listed["job"]).status is JobStatus.QUEUED
    with pytest.raises(Conflict, match=r"job 1 \(pretrain, queued\) rests on it"):
        run(curated, "snapshot", "remove", "real", "--yes")
    assert work(curated)
    assert job_of(curated, listed["job"]).status is JobStatus.DONE
    assert json.loads((tmp_path / "vit" / "card.json").read_text())["made_by"].endswith("--queue")


@pytest.mark.slow
def test_a_queued_distillation_ends_in_a_backbone_and_stopped_midway_it_goes_on(
    curated: Project, backbone: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "small.json"
    recipe.write_text(DISTILLATION.model_copy(update={"batch_size": 4}).model_dump_json())
    command = ("backbone", "distil", "--teacher", str(backbone), "--snapshot", "real", "--recipe", str(recipe))
    command = (*command, "--out", str(tmp_path / "small"), "--name", "small")
    assert "queued: `rounds worker` does it" in run(curated, *command, "--queue")
    [listed] = json.loads(run(curated, "jobs", "list", "--json"))
    assert (listed["kind"], listed["about"], listed["status"]) == ("distil", "small", "queued")
    assert work(curated, reports=4)
    assert job_of(curated, listed["job"]).status is JobStatus.QUEUED
    with pytest.raises(Conflict, match=r"job 1 \(distil, queued\) rests on it"):
        run(curated, "snapshot", "remove", "real", "--yes")
    assert work(curated)
    assert job_of(curated, listed["job"]).status is JobStatus.DONE
    card = json.loads((tmp_path / "small" / "card.json").read_text())
    assert card["made_by"].endswith("--queue")
    facts = json.loads(run(curated, *command, "--json"))
    assert (facts["digest"], facts["teacher"], facts["backbone"]) == (card["digest"], backbone.name, "small")
    listed = json.loads(run(curated, "backbone", "list", "--json"))
    assert [(row["name"], row["source"]) for row in listed[2:]] == [("small", str(tmp_path / "small"))]
    assert count(curated, "backbone.added") == 1  # by the job, and not again
