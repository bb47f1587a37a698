"""One rule for every name that somebody gives: it is a folder, a word of a command line and a title."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import rounds
from curation.errors import BadInput, NotFound
from curation.image_store import encode_png
from curation.progress import silent
from curation.project import Project
from curation.requests import check_name, check_title
from generate.fit_job import fit_in_project
from generate.fit_request import FitRequest, queue_fit
from tests.rows import NOW, picture
from train.adaptation.run_job import train_run
from train.adaptation.run_request import RunRequest, queue_run

BAD = ["../../x", "a/b", ".hidden", "-x", "", "two words", "x" * 101, "a\nb", "é", "a:b", "C:\\x", ".."]
PLACES = {
    "a snapshot": "snapshot build",
    "a worklist": "worklist create",
    "a list of pairs": "pairs create",
    "a vocabulary": "vocabulary add --reason blurred=Blurred",
    "a study": "study run",
    "a queued study": "study run --queue",
}


@pytest.mark.parametrize("command", PLACES.values(), ids=PLACES)
def test_every_place_refuses_a_name_that_leads_outside(project: Project, command: str) -> None:
    for name in ("../../x", "a/b"):
        result = CliRunner().invoke(rounds, ["--project", str(project.root), *command.split(), name])
        assert isinstance(result.exception, BadInput), result.output
        assert "expected up to 100 letters, digits, dots, dashes and underscores" in str(result.exception)
        assert [path.name for path in project.root.parent.iterdir()] == [project.root.name]
        assert not [path for path in project.root.rglob("*") if path.name in ("x", "b")]


def test_a_fit_is_refused_too_made_here_or_queued(project: Project) -> None:
    request = FitRequest(snapshot="real", name="../../x")
    with pytest.raises(BadInput, match=r"generator name '\.\./\.\./x'"):
        fit_in_project(project, request, silent, lambda: NOW, "a test")
    with pytest.raises(BadInput, match=r"generator name '\.\./\.\./x'"):
        queue_fit(project, request, NOW)


@pytest.mark.parametrize("kind", ["run", "study", "snapshot", "generator"])
@pytest.mark.parametrize("name", ["..", ".", "../../x", "a/.."])
def test_nothing_outside_is_removed_under_a_name_that_leads_there(project: Project, kind: str, name: str) -> None:
    for folder in ("runs", "studies", "snapshots", "generators"):
        (project.root / folder).mkdir()
    result = CliRunner().invoke(rounds, ["--project", str(project.root), kind, "remove", name, "--yes"])
    assert isinstance(result.exception, NotFound), result.output
    assert (project.root / "rounds.db").is_file()


def test_a_run_is_refused_too_trained_here_or_queued(project: Project) -> None:
    request = RunRequest(snapshot="real", name="../../x")
    with pytest.raises(BadInput, match=r"run name '\.\./\.\./x'"):
        train_run(project, request, silent, lambda: NOW)
    with pytest.raises(BadInput, match=r"run name '\.\./\.\./x'"):
        queue_run(project, request, NOW)


@pytest.mark.parametrize("name", ["../../x", "a/b", "a\\b", "..", "a\nb", "a\x1b[2Jb", "a\u202eb", " a", "", "x" * 101])
def test_a_name_that_is_only_shown_leads_nowhere_and_hides_nothing(project: Project, tmp_path: Path, name: str) -> None:
    pictures = tmp_path / "pictures" / "normal"
    pictures.mkdir(parents=True)
    (pictures / "1.png").write_bytes(encode_png(picture(1)))
    inside = ["--project", str(project.root)]
    new = tmp_path / "new"
    for words in (
        [*inside, "import", str(pictures.parent), "--name", name],
        [*inside, "import", "--queue", str(pictures.parent), "--name", name],
        [*inside, "reader", "add", "--password-stdin", "--", name],
        ["init", str(new), "--name", name],
    ):
        result = CliRunner().invoke(rounds, words, input="a long enough password\n")
        assert isinstance(result.exception, BadInput), result.output
        assert "expected 1 to 100 characters without slashes" in str(result.exception)
        assert not re.search(r"[\n\x1b\u202e]", str(result.exception))
    assert not new.exists()


@pytest.mark.parametrize("name", ["Dr. A. Müller-Haas", "胸部 X線", "CT (1990-2001), 2nd"])
def test_a_name_that_is_only_shown_may_have_spaces_and_letters_of_any_language(name: str) -> None:
    assert check_title(name, "reader") == name


@pytest.mark.parametrize("name", BAD)
def test_the_rule(name: str) -> None:
    with pytest.raises(BadInput, match="Choose another name"):
        check_name(name, "run")


@pytest.mark.parametrize("name", ["first", "1st", "A.b-c_d", "x" * 100])
def test_what_the_rule_lets_through(name: str) -> None:
    assert check_name(name, "run") == name
