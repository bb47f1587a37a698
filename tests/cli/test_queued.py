"""Fits, runs, evaluations, studies and imports that a command queues and a worker does."""

import json
import threading
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image as PillowImage
from sqlalchemy import func, select

from cli.main import rounds
from cli.terminal import now
from cli.worker import run_one
from curation.errors import BadInput, Conflict, NotFound, RoundsError
from curation.ingest.import_job import SourceRequest, run_import_job
from curation.jobs import cancel as cancel_job
from curation.locks import one_import_at_a_time
from curation.project import Project
from curation.tables.generation import Generator
from curation.tables.images import BuildStatus, Image, Import, Split
from curation.tables.operations import Event, Job, JobStatus
from curation.tables.training import Evaluation, Run, Study
from tests.cli.worker_process import wait_for, worker_process
from tests.generate.folders import tiny_recipe
from tests.rows import add_batch, add_generator, add_import, add_real, picture
from tests.train.tiny import save_backbone

SIZES = {Split.TRAIN: 8, Split.VALIDATION: 6, Split.TEST: 6}


class AfterReports(threading.Event):
    """A worker's sign to stop, given after so many reports of its job."""

    def __init__(self, reports: int) -> None:
        super().__init__()
        self.left = reports

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    return save_backbone(tmp_path / "vit")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.json"
    path.write_text(tiny_recipe().model_dump_json())
    return path


@pytest.fixture
def curated(project: Project) -> Project:
    """A project with real images of two classes in three splits, and the snapshot `real` of them."""
    with project.database.write() as session:
        source, number = add_import(session), 0
        for split, count in SIZES.items():
            for _ in range(count):
                add_real(project, session, source, number, ("a", "b")[number % 2], split)
                number += 1
        add_batch(project, session, add_generator(session, "g", ("s0",), ()), ["a", "b"])
    run(project, "snapshot", "build", "real", "--synthetic", "none")
    return project


def run(project: Project, *arguments: str) -> str:
    """Run a command; an error meant for the user is raised as it is."""
    result = CliRunner().invoke(rounds, ["--project", str(project.root), *arguments])
    if isinstance(result.exception, RoundsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def queue(project: Project, *arguments: str) -> int:
    """Queue by a command; returns the id of the job."""
    return int(json.loads(run(project, *arguments, "--queue", "--json"))["job"])


def work(project: Project, reports: int | None = None) -> bool:
    """Work off one job, or the first so many reports of it."""
    return run_one(project, "me", threading.Event() if reports is None else AfterReports(reports), quiet=True)


def job_of(project: Project, job_id: int) -> Job:
    with project.database.read() as session:
        return session.get_one(Job, job_id)


def count(project: Project, kind: str) -> int:
    """How many events of this kind there are."""
    with project.database.read() as session:
        return session.scalar(select(func.count()).select_from(Event).where(Event.kind == kind)) or 0


def train_command(backbone: Path, *more: str) -> tuple[str, ...]:
    options = ("--backbone", str(backbone), "--allow-unknown-provenance", "--steps", "4", "--batch-size", "4")
    return ("train", "--snapshot", "real", "--name", "mine", *options, *more)


def study_command(backbone: Path, *more: str) -> tuple[str, ...]:
    arms = ("--arm", "real_only", "--arm", "plus_raw")
    return (
        "study",
        "run",
        "first",
        *arms,
        "--seeds",
        "2",
        "--steps",
        "3",
        "--backbone",
        str(backbone),
        "--allow-unknown-provenance",
        *more,
    )


@pytest.mark.slow
def test_a_queued_fit_ends_in_a_generator_and_stopped_midway_it_goes_on(curated: Project, recipe: Path) -> None:
    fit = ("generator", "fit", "--snapshot", "real", "--name", "mine", "--recipe", str(recipe), "--queue")
    assert "queued: `rounds worker` does it" in run(curated, *fit)
    run(curated, *fit)
    [listed] = json.loads(run(curated, "jobs", "list", "--json"))
    assert (listed["kind"], listed["about"], listed["status"]) == ("fit", "mine", "queued")
    assert work(curated, reports=1)
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


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Two classes with twenty pictures each."""
    for number in range(40):
        path = tmp_path / "cells" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(picture(number)[:, :, 0]).save(path)
    return tmp_path / "cells"


def test_a_queued_import_keeps_its_path_in_full_and_stopped_midway_leaves_no_rows(
    project: Project, cells: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cells.parent)
    job = queue(project, "import", "cells", "--name", "ours")
    assert job_of(project, job).payload["source"] == str(cells)
    assert work(project, reports=1)
    with project.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Image)) == 0
    assert work(project)
    done = job_of(project, job)
    assert (done.status, done.done, done.total) == (JobStatus.DONE, 40, 40)
    assert done.note == "40 added, 0 here already, 0 left out"
    with project.database.read() as session:
        [imported] = session.scalars(select(Import)).all()
    assert (imported.status, imported.source) == (BuildStatus.READY, "ours")
    again = queue(project, "import", "cells", "--name", "ours")
    assert work(project)
    assert job_of(project, again).note == "0 added, 40 here already, 0 left out"


def test_an_import_whose_source_is_missing_is_not_queued_and_one_whose_source_went_says_so(
    project: Project, cells: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="a directory, a table or a file"):
        queue(project, "import", str(tmp_path / "nowhere"))
    with pytest.raises(NotFound, match=r"x\.npz does not exist. A queued import needs its source"):
        queue(project, "import", str(tmp_path / "x.npz"))
    with pytest.raises(BadInput, match="--size is for a directory"):
        queue(project, "import", "virtual-brains:4", "--size", "64")
    job = queue(project, "import", str(cells))
    cells.rename(tmp_path / "elsewhere")
    assert work(project)
    failed = job_of(project, job)
    assert failed.status is JobStatus.FAILED
    assert failed.error == (
        f"{cells} is not there any more, or not on the machine of this worker. "
        "Put it back, or run `rounds import` where it is."
    )


def test_an_import_of_nothing_usable_fails_with_the_reasons_and_no_file_name(project: Project, tmp_path: Path) -> None:
    (tmp_path / "bad" / "a").mkdir(parents=True)
    for name in ("jane_doe.png", "john_doe.png"):
        (tmp_path / "bad" / "a" / name).write_text("no picture")
    job = queue(project, "import", str(tmp_path / "bad"))
    assert work(project)
    error = job_of(project, job).error or ""
    assert "nothing in bad could be imported: 2 files: not a PNG" in error
    assert "doe" not in error


def test_a_done_or_cancelled_import_forgets_the_files_that_it_named_and_a_failed_one_keeps_them(
    project: Project, cells: Path, tmp_path: Path
) -> None:
    first = queue(project, "import", str(cells))
    with project.database.write() as session:
        cancel_job(session, now(), first)
    assert job_of(project, first).payload == {}
    assert queue(project, "import", str(cells)) == first
    assert job_of(project, first).payload["source"] == str(cells)
    cells.rename(tmp_path / "away")
    assert work(project)
    assert job_of(project, first).payload["source"] == str(cells)
    (tmp_path / "away").rename(cells)
    assert queue(project, "import", str(cells)) == first
    assert work(project)
    done = job_of(project, first)
    assert (done.status, done.payload, done.note) == (JobStatus.DONE, {}, "40 added, 0 here already, 0 left out")
    assert queue(project, "import", str(cells)) != first


def test_a_queued_import_waits_for_the_one_that_is_running_and_says_so(
    project: Project, cells: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, notes = SourceRequest(source=str(cells)), []
    monkeypatch.setattr("curation.ingest.import_job._ASK_AGAIN_S", 0.01)
    with ExitStack() as other:
        other.enter_context(one_import_at_a_time(project))

        def report(_done: int, _total: int, note: str | None = None) -> None:
            notes.append(note)
            if notes.count(notes[0]) == 2:
                other.close()

        run_import_job(project, request.model_dump(mode="json"), report)
    assert notes[:2] == ["another import is running in this project: this one waits for it"] * 2
    assert notes[-1] == "40 added, 0 here already, 0 left out"


def test_a_queued_import_that_a_table_stops_names_no_file_in_its_error(project: Project, cells: Path) -> None:
    (cells / "metadata.csv").write_text("file,subject\na/jane_doe.png,p1\n")
    job = queue(project, "import", str(cells))
    assert work(project)
    error = job_of(project, job).error or ""
    assert "metadata.csv was to give subjects, and misses 40 of 40 pictures; 1 of its rows fit no picture" in error
    assert "jane" not in error
    assert ".png" not in error
    allowed = queue(project, "import", str(cells), "--allow-unmatched")
    assert job_of(project, allowed).payload["options"]["allow_unmatched"] is True
    assert work(project)
    assert job_of(project, allowed).status is JobStatus.DONE


def test_a_dry_run_is_not_queued(project: Project, cells: Path) -> None:
    arguments = ["--project", str(project.root), "import", str(cells), "--dry-run", "--queue"]
    assert "--queue goes without --dry-run" in CliRunner().invoke(rounds, arguments).output


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
