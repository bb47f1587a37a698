"""`rounds privacy error-rates` and `rounds generator canaries` as a user meets them."""

import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cli.canaries import print_counts
from cli.privacy import print_rates
from curation.errors import BadInput, NotFound
from curation.project import Project
from curation.tables.measures import CheckReport
from curation.tables.operations import Event, JobStatus
from tests.cli.queueing import job_of, queue, work
from tests.cli.test_screening import run
from tests.generate.folders import tiny_recipe
from tests.screening.cohort import add_cohort
from tests.train.tiny import save_backbone
from tests.worlds.privacy import read_measured
from tests.worlds.shared import fill_from


@pytest.mark.slow
def test_error_rates_are_printed_with_what_they_rest_on_and_measured_again_are_kept_once(
    project: Project, privacy_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = str(save_backbone(tmp_path / "tiny-vit"))
    fill_from(project, privacy_world / "project")
    measured, _ = read_measured(privacy_world)
    print_rates(measured)
    text = capsys.readouterr().out
    for words in ("tiny-vit", "copies of training images", "cannot be said", "held-out images, autoencoder", "blur"):
        assert words in text
    arguments = ("privacy", "error-rates", "--copies", "1", "--backbone", backbone)
    printed = json.loads(run(project, *arguments, "--out", str(tmp_path / "out"), "--json").stdout)
    assert {Path(path).name for path in printed["pictures"]} == {"privacy-caught.png", "privacy-pairs.png"}
    assert printed["parameters"]["backbone"] == "tiny-vit"
    assert {name: printed[name] for name in measured} == measured
    with project.database.read() as session:
        assert session.scalar(select(func.count()).select_from(CheckReport)) == 1
        assert session.scalars(select(Event.kind)).all() == ["privacy.measured"]


@pytest.mark.slow
def test_too_few_subjects_are_said_in_plain_words(project: Project, tmp_path: Path) -> None:
    backbone = str(save_backbone(tmp_path / "tiny-vit"))
    add_cohort(project, train=range(8), validation=range(1_000, 1_006))
    arguments = ("privacy", "error-rates", "--backbone", backbone)
    text = " ".join(run(project, *arguments).output.split())
    assert "cannot be said: 3 real validation images, 40 are needed" in text
    assert "pictures" not in text
    text = " ".join(run(project, *arguments, "--out", str(tmp_path / "out")).output.split())
    assert "pictures none: nothing was measured that they could show" in text
    job = queue(project, *arguments)
    assert job == queue(project, *arguments)
    assert work(project)
    assert job_of(project, job).status is JobStatus.DONE
    with pytest.raises(NotFound, match="no generator named 'mine'"):
        queue(project, *arguments, "--generator", "mine")


@pytest.mark.slow
def test_canaries_are_fitted_weighed_and_pictured(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = str(save_backbone(tmp_path / "tiny-vit"))
    add_cohort(project, train=range(53), validation=range(1_000, 1_040))
    run(project, "snapshot", "build", "first", "--synthetic", "none")
    recipe = tmp_path / "recipe.json"
    recipe.write_text(tiny_recipe(grid_every=6).model_dump_json())
    out = tmp_path / "canaries"
    arguments = ["generator", "canaries", "--snapshot", "first", "--recipe", str(recipe), "--out", str(out)]
    arguments += ["--per-repeat", "1", "--others", "50", "--images", "40", "--backbone", backbone]
    printed = json.loads(run(project, *arguments, "--json").stdout)
    assert [level["repeats"] for level in printed["levels"]] == [1, 10, 100]
    assert json.loads((out / "canaries.json").read_text()) == printed
    assert (out / "canaries.png").is_file()
    print_counts(printed, out)
    assert "canaries among 40 generated images" in capsys.readouterr().out
    job = queue(project, *arguments)
    assert work(project)
    assert job_of(project, job).status is JobStatus.DONE
    assert json.loads((out / "canaries.json").read_text()) == printed
    with pytest.raises(BadInput, match="Ask for fewer --others"):
        run(project, *arguments[:-8], "--others", "60", "--per-repeat", "1")
