"""`rounds backup`, `rounds restore` and `rounds verify --sample` as a user meets them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import rounds
from curation.errors import BadInput, Damaged
from curation.image_store import file_name
from curation.ingest.importer import import_source
from curation.ingest.incoming import IncomingImage, Source
from curation.project import Project
from curation.tables.images import Image, Split
from tests.rows import NOW, picture


@pytest.fixture
def filled(project: Project) -> Project:
    items = [IncomingImage(f"{n}.png", picture(n), "normal", f"p{n}", Split.TRAIN) for n in range(5)]
    import_source(project, NOW, Source("five", "five", items, 5))
    return project


def run(project: Project, *arguments: str) -> Result:
    result = CliRunner().invoke(rounds, ["--project", str(project.root), *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.slow
def test_a_project_is_backed_up_read_back_and_restored(filled: Project, tmp_path: Path) -> None:
    kept, again = str(tmp_path / "kept"), str(tmp_path / "again")
    made = run(filled, "backup", kept)
    assert "5 images" in made.output
    assert "the keys are not in it" in made.output
    assert "0 faults" in run(filled, "backup", kept, "--verify").output
    with pytest.raises(BadInput, match="--secrets"):
        run(filled, "restore", kept, again)
    restored = run(filled, "restore", kept, again, "--secrets", str(filled.root / "secrets"))
    assert "restored 5 images" in restored.output
    assert "everything is as it was stored" in restored.output


@pytest.mark.slow
def test_what_scripts_read_is_json(filled: Project, tmp_path: Path) -> None:
    kept, again = str(tmp_path / "kept"), str(tmp_path / "again")
    made = json.loads(run(filled, "backup", kept, "--with-secrets", "--json").stdout)
    assert (made["images"], made["missing"]) == (5, [])
    read_back = json.loads(run(filled, "backup", kept, "--verify", "--at", made["name"], "--json").stdout)
    assert (read_back["secrets"], read_back["faults"]) == (True, [])
    restored = json.loads(run(filled, "restore", kept, again, "--json").stdout)
    assert (restored["verified"], restored["faults"]) == (True, [])


@pytest.mark.slow
def test_a_backup_of_a_project_that_lost_a_file_says_so_and_keeps_the_rest(filled: Project, tmp_path: Path) -> None:
    with filled.database.read() as session:
        digest = session.get_one(Image, 1).file_sha256
    (filled.root / "store" / file_name(digest)).unlink()
    with pytest.raises(Damaged, match="the rest is backed up"):
        run(filled, "backup", str(tmp_path / "kept"))
    with pytest.raises(Damaged, match="1 faults"):
        run(filled, "backup", str(tmp_path / "kept"), "--verify")


def test_a_quick_look_says_that_it_was_one(filled: Project) -> None:
    result = run(filled, "verify", "--sample", "3")
    assert "3 files (chosen at random)" in result.output
    assert "without --sample everything is read" in result.output


def test_a_name_without_verify_is_a_mistake(filled: Project, tmp_path: Path) -> None:
    result = run(filled, "backup", str(tmp_path / "kept"), "--at", "x")
    assert result.exit_code == 2
    assert "--at goes with --verify" in result.output
