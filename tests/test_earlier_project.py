"""A project made before the rooms were laid out opens as it did, with its generator, runs and study.

It was made by the commands of commit 0ed2842: 60 virtual subjects, a tiny generator, a batch read by a proxy, two
snapshots, two runs, a study of two arms, and one withdrawn subject.
"""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from cli.main import rounds
from curation.progress import silent
from curation.project import Project
from curation.snapshots.folder import SnapshotFolder
from curation.tables.generation import Batch
from curation.tables.images import Image
from curation.tables.training import Snapshot
from generate.request import GenerationRequest
from train.study.plan import StudyPlan

ARCHIVE = Path(__file__).parent / "worlds" / "before-the-rooms.tar.xz"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The earlier project, unpacked and brought to today's schema."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    assert CliRunner().invoke(rounds, ["init", str(folder / "before")]).exit_code == 0
    return folder / "before"


def run(root: Path, *words: str) -> str:
    """Run a command in the project; returns its standard output."""
    result = CliRunner().invoke(rounds, ["--project", str(root), *words])
    assert result.exit_code == 0, f"{result.output}{result.exception}"
    return result.stdout


def read(root: Path, *words: str) -> Any:
    """What a command prints with --json."""
    return json.loads(run(root, *words, "--json"))


def test_everything_in_it_is_as_it_was_stored(earlier: Path) -> None:
    assert read(earlier, "verify")["faults"] == []


def test_its_status_counts_what_it_held(earlier: Path) -> None:
    status = read(earlier, "status")
    assert status["imports"][0]["added"] == 60
    assert status["readings"]["proxy"] == 12
    assert {snapshot["name"] for snapshot in read(earlier, "snapshot", "list")} >= {"real", "mixed"}


def test_its_generator_generates_the_images_it_generated(earlier: Path) -> None:
    from generate.registry import find_weights
    from generate.sample import sample_images

    project = Project.open(earlier)
    with project.database.read() as session:
        batch = session.scalars(select(Batch)).one()
        request = GenerationRequest.model_validate(batch.request)
        assert request.digest() == batch.request_digest
        files = dict(
            session.execute(select(Image.batch_index, Image.file_sha256).where(Image.batch_id == batch.id)).all()
        )
    plan = request.plan()[5:6]
    ((index, _, generated),) = sample_images(find_weights(project, request.generator), plan, request)
    stored = project.store.pixels(files[index])
    assert np.abs(generated.astype(int) - stored.astype(int)).max() <= 1  # rounding differs between processors


@pytest.mark.parametrize("adaptation", ["lora", "linear-probe"])
def test_a_run_asked_for_again_is_the_run_there_is(earlier: Path, adaptation: str) -> None:
    card = earlier / "runs" / f"mixed-{adaptation}-s0" / "card.json"
    before = card.read_bytes()
    run(earlier, "train", "--snapshot", "mixed", "--adaptation", adaptation, "--steps", "4", "--allow-affected")
    assert card.read_bytes() == before


def test_its_run_predicts_as_it_did(earlier: Path) -> None:
    stored = json.loads((earlier / "runs" / "mixed-lora-s0" / "evaluation-test.json").read_text())
    measured = read(earlier, "evaluate", "mixed-lora-s0", "--bootstrap", "100")
    for name, interval in stored["metrics"].items():
        assert measured["metrics"][name] == pytest.approx(interval, abs=1e-5)


def test_its_study_is_recognised_and_compares_its_runs_as_it_did(earlier: Path) -> None:
    from train.study.run import run_study

    folder = earlier / "studies" / "small"
    before = json.loads((folder / "result.json").read_text())
    plan = StudyPlan.model_validate(json.loads((folder / "plan.json").read_text())["plan"])
    assert plan.digest() == before["plan_digest"]
    arms = {
        arm: SnapshotFolder.open(earlier / "snapshots" / values["snapshot"]) for arm, values in before["arms"].items()
    }
    run_study(arms, plan, folder, silent, allow_affected=True)
    again = json.loads((folder / "result.json").read_text())
    for arm, values in before["arms"].items():
        for metric, interval in values["metrics"].items():
            assert again["arms"][arm]["metrics"][metric] == pytest.approx(interval)


def test_a_snapshot_built_again_from_its_recipe_leaves_the_withdrawn_subject_out(earlier: Path) -> None:
    run(earlier, "snapshot", "build", "again", "--recipe", str(earlier / "snapshots" / "mixed" / "snapshot.json"))
    project = Project.open(earlier)
    with project.database.read() as session:
        recipes = dict(session.execute(select(Snapshot.name, Snapshot.recipe)).all())
    assert recipes["again"] == recipes["mixed"]
    subjects = [
        json.loads(line)["subject"]
        for line in (earlier / "snapshots" / "again" / "train" / "metadata.jsonl").read_text().splitlines()
    ]
    assert "vb-000003" not in subjects
    assert "vb-000000" in subjects
