"""`rounds init`, `import`, `status`, `verify` and `jobs` as a user meets them."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image as PillowImage
from sqlalchemy import select

from cli.main import rounds
from curation import jobs
from curation.errors import BadInput, Damaged, RoundsError
from curation.project import Project
from curation.tables.images import Image
from tests.rows import picture, stored


def _run(project: Project | Path, *arguments: str) -> Result:
    """Run a command in the project; an error meant for the user is raised as it is."""
    root = project if isinstance(project, Path) else project.root
    result = CliRunner().invoke(rounds, ["--project", str(root), *arguments])
    if isinstance(result.exception, RoundsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Two classes of eight pictures each, one file that is no picture, and one picture twice."""
    for number in range(16):
        path = tmp_path / "cells" / "ab"[number % 2] / f"p{number // 4}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        PillowImage.fromarray(picture(number)[:, :, 0]).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue())
    (tmp_path / "cells" / "a" / "p9_broken.png").write_text("no picture")
    (tmp_path / "cells" / "a" / "p0_again.png").write_bytes((tmp_path / "cells" / "a" / "p0_0.png").read_bytes())
    return tmp_path / "cells"


@pytest.mark.slow
def test_init_makes_a_project_that_commands_find_and_run_again_it_only_migrates(tmp_path: Path) -> None:
    root = tmp_path / 'a "quoted" name'
    assert "Made the project" in CliRunner().invoke(rounds, ["init", str(root)]).output
    assert Project.open(root).settings.name == 'a "quoted" name'
    assert "Brought up to date" in _run(root, "init").output
    assert json.loads(_run(root, "status", "--json").output)["real"] == {}


def test_init_says_what_is_wrong_with_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'absent' / 'rounds.db'}"
    with pytest.raises(BadInput, match="cannot be opened"):
        _run(tmp_path / "p", "init", "--database-url", url)


def test_a_reason_that_many_files_share_is_printed_once_with_a_few_of_them_and_json_has_all(
    project: Project, cells: Path
) -> None:
    for number in range(30):
        (cells / "a" / f"q_{number:02d}.png").write_text("no picture")
    (cells / "a" / "z.txt").write_text("a note")
    output = _run(project, "import", str(cells), "--dry-run").output
    assert output.count("not a PNG, JPEG or TIFF file") == 1
    assert (
        "32 left out:\n  31 files: not a PNG, JPEG or TIFF file, despite its name: "
        "a/p9_broken.png, a/q_00.png, a/q_01.png and 28 more\n  a/z.txt: not one of"
    ) in output
    assert "--json lists every file" in output
    listed = json.loads(_run(project, "import", str(cells), "--dry-run", "--json").output)["rejected"]
    assert len({row["source_file"] for row in listed}) == 32


def test_an_import_prints_counts_by_split_and_label_and_every_file_it_left_out(project: Project, cells: Path) -> None:
    output = _run(project, "import", str(cells), "--subject-pattern", r"(p\d+)_").output
    assert "cells: 16 images added" in output
    assert "1 left out:\n  a/p9_broken.png: not a PNG, JPEG or TIFF file, despite its name" in output
    assert "1 left out: the same image of the same subject again:\n  a/p0_again.png" in output
    status = json.loads(_run(project, "status", "--json").output)
    assert sum(sum(labels.values()) for labels in status["real"].values()) == 16
    assert sum(status["subjects"].values()) == 4
    assert "cells was imported before: nothing was added" in (
        _run(project, "import", str(cells), "--subject-pattern", r"(p\d+)_").output
    )


def test_the_report_as_json_holds_everything(project: Project, cells: Path) -> None:
    report = json.loads(_run(project, "import", str(cells), "--name", "ours", "--seed", "3", "--json").output)
    assert (report["source"], report["added"], report["subjects_known"]) == ("ours", 17, False)
    assert [row["source_file"] for row in report["rejected"]] == ["a/p9_broken.png"]
    [duplicate] = report["duplicates"]
    assert duplicate["kind"] == "across subjects"


@pytest.mark.slow
def test_an_npz_and_the_cohort_are_imported_by_their_names(project: Project, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        f"{split}_images": rng.integers(0, 256, (4, 28, 28), dtype=np.uint8) for split in ("train", "val", "test")
    }
    labels = {f"{split}_labels": np.zeros((4, 1), np.uint8) for split in ("train", "val", "test")}
    np.savez(tmp_path / "x.npz", **arrays, **labels)
    assert "x.npz: 12 images added" in _run(project, "import", str(tmp_path / "x.npz")).output
    output = _run(project, "import", "virtual-brains:4", "--workers", "1").output
    assert "virtual-brains:4: 4 images added" in output
    assert "SIMULATED from one template" in output
    assert "SIMULATED" in " ".join(_run(project, "status").output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "expected virtual-brains"),
        (["virtual-brains:many"], "expected a number of subjects"),
        (["virtual-brains:0"], "at least one"),
        (["medmnist:nothing"], "There are: pathmnist"),
        (["virtual-brains:4", "--subject-pattern", "(x)"], "--subject-pattern is for a directory"),
        (["virtual-brains:4", "--size", "64"], "--size is for a directory"),
    ],
)
def test_a_source_that_cannot_be_imported_says_what_can(project: Project, arguments: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        _run(project, "import", *arguments)


def test_a_directory_in_which_nothing_is_usable_ends_in_an_error_after_the_list(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "bad" / "a").mkdir(parents=True)
    (tmp_path / "bad" / "a" / "x.png").write_text("no picture")
    result = CliRunner().invoke(rounds, ["--project", str(project.root), "import", str(tmp_path / "bad")])
    assert isinstance(result.exception, BadInput)
    assert "a/x.png: not a PNG" in result.output


@pytest.mark.slow
def test_verify_is_content_with_an_untouched_project_and_names_what_was_changed(project: Project, cells: Path) -> None:
    _run(project, "import", str(cells))
    assert "everything is as it was stored" in _run(project, "verify", "--pixels").output
    victim = next(path for path in (project.root / "store").rglob("*.png"))
    victim.write_bytes(b"changed")
    with pytest.raises(Damaged, match="1 faults"):
        _run(project, "verify")
    result = CliRunner().invoke(rounds, ["--project", str(project.root), "verify", "--json"])
    assert victim.name in json.loads(result.stdout)["faults"][0]


def test_jobs_are_listed_and_cancelled(project: Project) -> None:
    with project.database.write() as session:
        jobs.enqueue(session, datetime.now(UTC), "generate", {"batch": 1})
    [row] = json.loads(_run(project, "jobs", "list", "--json").output)
    assert (row["job"], row["status"]) == (1, "queued")
    assert "cancelled job 1 (generate)" in _run(project, "jobs", "cancel", "1").output
    assert json.loads(_run(project, "jobs", "list", "--status", "queued", "--json").output) == []


def test_a_dry_run_reports_everything_and_stores_nothing(project: Project, cells: Path) -> None:
    output = _run(project, "import", str(cells), "--dry-run").output
    assert "cells: 17 images would be added, nothing was stored" in output
    assert "a/p9_broken.png" in output
    assert json.loads(_run(project, "status", "--json").output)["real"] == {}
    assert stored(project) == set()
    assert "cells: 17 images added" in _run(project, "import", str(cells)).output


def test_a_table_of_several_labels_and_a_size_are_options_of_the_command(project: Project, cells: Path) -> None:
    rows = "".join(f"{'ab'[n % 2]}/p{n // 4}_{n}.png,{n % 2},0.9,s{n // 4},{20 + n}\n" for n in range(16))
    (cells / "list.csv").write_text(f"file,left,right,who,age\n{rows}")
    options = ["--label-column", "left", "--label-column", "right", "--subject-column", "who", "--covariate", "age"]
    report = json.loads(_run(project, "import", str(cells / "list.csv"), *options, "--size", "32x24", "--json").output)
    assert report["added"] == 16
    assert report["options"]["size"] == [32, 24]
    assert sum(counts.get("right", 0) for counts in report["counts"].values()) == 16
    assert sum(report["subjects"].values()) == 4


def test_an_age_that_a_table_does_not_state_costs_no_picture(project: Project, cells: Path) -> None:
    ages = ["unknown", "-3", "3e400", "61"]
    rows = "".join(f"{'ab'[n % 2]}/p{n // 4}_{n}.png,{ages[n // 4]}\n" for n in range(16))
    (cells / "list.csv").write_text(f"file,age\n{rows}")
    command = ["import", str(cells / "list.csv"), "--label", "x", "--covariate", "age", "--json"]
    report = json.loads(_run(project, *command).output)
    assert (report["added"], report["rejected"]) == (16, [])
    for shown in ("what is no number", "'-3'", "'3e400'"):
        assert f"4 rows of list.csv: age: expected an age in years, got {shown}; it counts as absent" in report["notes"]
    with project.database.read() as session:
        kept = [image.covariates for image in session.scalars(select(Image))]
    assert sorted(map(str, kept)) == sorted(["None"] * 12 + ["{'age': '60-69'}"] * 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "4"], "between 8 and 8192"),
        (["--window", "40"], "CENTRE:WIDTH"),
        (["--window", "40:-1"], "width above 0"),
        (["--slices", "a:b"], "FROM:TO"),
        (["--slices", "1:9:0"], "FROM:TO"),
        (["--slices", "60:20"], "FROM below TO, got 60:20"),
        (["--slices", ":0"], "FROM below TO, got 0:0"),
        (["--slices", "0:9"], "--slices is for NIfTI volumes, and no file here is one"),
        (["--volume", "1", "--quantise"], "--volume, --quantise is for NIfTI volumes"),
        (["--plane", "coronal"], "--plane is for NIfTI volumes"),
        (["--label-separator", "|"], "--label-separator is for a column of a table that lists labels"),
        (["--mask", "lesion"], "NAME=PATTERN"),
        (["--mask", "lesion=../{stem}.png"], "leads outside"),
        (["--mask", "lesion={nothing}.png"], "may hold"),
        (["--label-from", "somewhere"], "folder, manifest, mask or keyword"),
        (["--label-from", "mask"], "labels from masks need masks"),
        (["--label", "x", "--label-from", "folder"], "exclude each other"),
        (["--covariate", "PatientName"], "may identify"),
    ],
)
def test_an_option_that_makes_no_sense_says_what_would(
    project: Project, cells: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        _run(project, "import", str(cells), *arguments)
    assert stored(project) == set()


def test_a_subject_pattern_is_refused_only_where_a_table_gives_every_subject(project: Project, cells: Path) -> None:
    rows = [f"{'ab'[n % 2]}/p{n // 4}_{n}.png,s{n // 4}" for n in range(16)]
    (cells / "list.csv").write_text("\n".join(["file,subject", *rows]))
    command = ["import", str(cells / "list.csv"), "--label", "x", "--subject-pattern", r"(p\d+)_"]
    with pytest.raises(BadInput, match=r"--subject-pattern is for files without .* list.csv gives a subject to every"):
        _run(project, *command)
    (cells / "list.csv").write_text("\n".join(["file,subject", *rows[1:], "a/p0_0.png,"]))
    assert json.loads(_run(project, *command, "--json").output)["added"] == 16


def test_a_label_separator_that_stands_in_no_label_is_said(project: Project, cells: Path) -> None:
    rows = "".join(f"{'ab'[n % 2]}/p{n // 4}_{n}.png,x;y\n" for n in range(16))
    (cells / "list.csv").write_text(f"file,label\n{rows}")
    for separator, is_said in (("|", True), (";", False)):
        command = ["import", str(cells / "list.csv"), "--label-separator", separator, "--dry-run", "--json"]
        notes = json.loads(_run(project, *command).output)["notes"]
        assert (f"the label separator '{separator}' stands in no label of list.csv" in notes) is is_said


def test_whoever_holds_the_secrets_finds_a_patients_subject(project: Project, cells: Path) -> None:
    _run(project, "import", str(cells), "--subject-pattern", r"(p\d+)_")
    result = CliRunner().invoke(
        rounds, ["--project", str(project.root), "pseudonym", "--json"], input="p2\n\nstranger\n"
    )
    known, unknown = json.loads(result.stdout)
    assert known["split"] in ("train", "validation", "test", "reserve")
    assert known["subject"].startswith("p-")
    assert unknown["split"] == "not in this project"
    assert "p2" not in result.stdout
