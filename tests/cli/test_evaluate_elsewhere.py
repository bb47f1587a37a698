"""`rounds evaluate --on` measures a run on another set, and keeps it apart from its test subjects."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from sqlalchemy import func, select

from cli.main import rounds
from curation.audit import list_events
from curation.errors import BadInput, LeakRefused, NotFound
from curation.ingest.pseudonyms import Pseudonyms
from curation.project import Project
from curation.tables.training import Evaluation
from tests.cli.queueing import run
from tests.rows import picture
from tests.train.snapshots import write_snapshot
from train.evaluation.external import check_snapshot
from train.evaluation.metrics import METRICS, metric_value

FEWER = ("--bootstrap", "100")


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    """Two classes, six pictures of three patients each, one of them a training image made darker, and a broken file."""
    for number in range(12):
        label = "ab"[number % 2]
        (tmp_path / "ward" / label).mkdir(parents=True, exist_ok=True)
        values = picture(700 + number) if number else picture(0) * 0.8
        Image.fromarray(values.astype(np.uint8)[:, :, 0]).save(
            tmp_path / "ward" / label / f"p{number // 4}_{number}.png"
        )
    (tmp_path / "ward" / "a" / "p0_broken.png").write_bytes(b"no picture")
    return tmp_path / "ward"


@pytest.fixture
def clean(trained: Project) -> Iterator[Path]:
    """The folder of the run, without the evaluations of other tests, and as it was afterwards."""
    directory = trained.root / "runs" / "mine"
    for path in (*directory.glob("evaluation-*"), *directory.glob("predictions-*")):
        path.unlink()
    card = (directory / "card.json").read_bytes()
    yield directory
    (directory / "card.json").write_bytes(card)


def test_labelled_files_are_measured_by_subject_with_and_without_copies_and_stand_apart(
    trained: Project, ward: Path, clean: Path
) -> None:
    answer = run(trained, "evaluate", "mine", "--on", str(ward), "--subject-pattern", r"(p\d)_", *FEWER, "--json")
    result = json.loads(answer)
    assert (result["n_images"], result["n_units"], result["resampled"]) == (12, 3, "subject")
    assert (result["near_copies"], result["without_near_copies"]["n_images"]) == (1, 11)
    assert (result["on"]["kind"], result["split"], result["left_out"]) == (
        "files", "external", {"not a PNG, JPEG or TIFF file, despite its name": 1},
    )  # fmt: skip
    [evaluation], [table] = clean.glob("evaluation-*"), clean.glob("predictions-*")
    assert (evaluation.stem[11:], evaluation.name[11:19]) == (table.stem[12:], "on-ward-")
    assert json.loads(evaluation.read_text()) == result
    rows = pq.read_table(table).to_pylist()
    assert all(row["file_name"].startswith("file-") for row in rows)
    probabilities = np.array([[row["probability_a"], row["probability_b"]] for row in rows])
    labels = np.array(["ab".index(row["label"]) for row in rows])
    for name in METRICS:
        assert result["metrics"][name]["value"] == pytest.approx(metric_value(name, probabilities, labels)), name
    assert sum(row["near_copy"] for row in rows) == 1
    with trained.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Evaluation)) == 0
        [event, *_] = list_events(session, "run.evaluated_elsewhere")
        assert (event.payload["set"], event.payload["split"]) == (result["on"]["digest"], "external")
        assert not list_events(session, "test.opened")


def test_a_table_gives_labels_and_without_subjects_intervals_are_said_to_be_over_images(
    trained: Project, ward: Path, clean: Path
) -> None:
    names = sorted(path.relative_to(ward).as_posix() for path in ward.rglob("p*_[0-9]*.png"))
    (ward / "set.csv").write_text("file,finding\n" + "".join(f"{name},{name[0]}\n" for name in names))
    answer = run(trained, "evaluate", "mine", "--on", str(ward / "set.csv"), "--label-column", "finding", *FEWER)
    assert "12 images: subjects are unknown, so they are too narrow" in " ".join(answer.split())


def test_labels_of_the_set_that_are_not_those_of_the_run_are_one_line(trained: Project, ward: Path) -> None:
    (ward / "b").rename(ward / "c")
    with pytest.raises(BadInput, match="has the label c, and the run knows a, b"):
        run(trained, "evaluate", "mine", "--on", str(ward))
    for path in (ward / "c").iterdir():
        path.unlink()
    with pytest.raises(BadInput, match="no picture of b that can be used"):
        run(trained, "evaluate", "mine", "--on", str(ward))


def test_a_subject_that_the_run_saw_is_refused_under_its_pseudonym(trained: Project, ward: Path, clean: Path) -> None:
    card = json.loads((clean / "card.json").read_text())
    card["saw"]["subjects"].append(Pseudonyms.of(trained).subject("p1"))
    (clean / "card.json").write_text(json.dumps(card))
    with pytest.raises(LeakRefused, match="1 external subjects or images"):
        run(trained, "evaluate", "mine", "--on", str(ward), "--subject-pattern", r"(p\d)_")
    assert not list(clean.glob("evaluation-*"))


def test_a_split_of_another_snapshot_is_measured_and_its_opening_recorded(trained: Project, clean: Path) -> None:
    run(trained, "snapshot", "build", "again", "--synthetic", "none")
    result = json.loads(run(trained, "evaluate", "mine", "--on", "again", "--split", "validation", *FEWER, "--json"))
    assert (result["on"]["name"], result["on"]["split"], result["n_images"]) == ("again", "validation", 6)
    assert [path.name[:31] for path in clean.glob("evaluation-*")] == ["evaluation-on-again-validation-"]
    with trained.database.read() as session:
        [event, *_] = list_events(session, "validation.read")
    assert event.payload == {"run": 1, "snapshot": 2}


def test_what_is_no_external_set_is_refused_in_one_line(trained: Project, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is the run's own snapshot"):
        run(trained, "evaluate", "mine", "--on", "real")
    with pytest.raises(NotFound, match="no finished snapshot of this name"):
        run(trained, "evaluate", "mine", "--on", "nowhere")
    folder = write_snapshot(tmp_path / "other", {"train": 1, "test": 1})
    with pytest.raises(BadInput, match="the run knows the classes a, b"):
        run(trained, "evaluate", "mine", "--on", str(folder.path))
    with pytest.raises(BadInput, match="expected images of 16x16 gray, 8 bit as the run was trained on, got 32x32"):
        check_snapshot({"classes": folder.classes, "shape": [16, 16, 1], "bits": 8}, folder)
    idle = CliRunner().invoke(rounds, ["--project", str(trained.root), "evaluate", "mine", "--label", "a"])
    assert idle.exit_code == click.UsageError.exit_code
    assert "--label says how files are read, and there are none without --on PATH" in idle.output
