"""`rounds export` as a user meets it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import rounds
from curation.errors import Conflict
from curation.project import Project
from tests.worlds.exports import SNAPSHOT
from tests.worlds.shared import fill_from


def run(project: Project, *arguments: str) -> Result:
    """Run the command in the project."""
    return CliRunner().invoke(rounds, ["--project", str(project.root), "export", *arguments])


@pytest.mark.slow
@pytest.mark.parametrize("format", ["imagefolder", "parquet", "croissant", "dicom", "nifti", "release"])
def test_each_format_prints_what_left_as_json(
    project: Project, export_world: Path, tmp_path: Path, format: str
) -> None:
    fill_from(project, export_world)
    result = run(project, format, SNAPSHOT, str(tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["synthetic"], summary["altered"], summary["real"], summary["real_left_out"]) == (20, 0, 0, 16)
    assert summary["files"] == sum(path.is_file() for path in (tmp_path / "out").rglob("*"))
    assert str(tmp_path / "out") in summary["opens_with"]


@pytest.mark.slow
def test_it_says_what_stayed_and_what_is_missing(project: Project, export_world: Path, tmp_path: Path) -> None:
    fill_from(project, export_world)
    printed = run(project, "imagefolder", SNAPSHOT, str(tmp_path / "out")).stdout
    assert "20 synthetic, 0 altered, 0 real" in printed
    assert "16 real images; --include-real takes them" in printed
    assert "No licence was stated" in printed
    again = run(project, "imagefolder", SNAPSHOT, str(tmp_path / "out"))
    assert isinstance(again.exception, Conflict)


def test_an_unknown_format_is_refused_with_those_there_are(project: Project, tmp_path: Path) -> None:
    result = run(project, "tarball", SNAPSHOT, str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "imagefolder" in result.output
