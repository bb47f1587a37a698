"""A path is no address: a project works in a directory of any name, with a database of its own."""

import io
import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image as PillowImage

from cli.main import rounds
from curation.database import Database, file_url
from curation.errors import NotFound
from curation.image_store import ImageStore
from curation.project import Project, open_or_make_project
from tests.rows import picture

SOAK = os.environ.get("ROUNDS_SOAK") == "1"
NAMES = [
    "z?one",
    "pct%20dir",
    "a#b",
    "with space",
    "Räume é 脳 🧠",
    "-x",
    "a::b",
    "100%",
    "q'uo\"te",
    "data:x",
    "~",
    "=1",
]
# Without `make soak`, every character that an address or a shell could take for its own, in few directories.
FEW_NAMES = ["-x", "a::b ? #c%20 100% q'uo\"te Räume é 脳 🧠", "data:x", "~", "=1"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(rounds, list(arguments), catch_exceptions=False)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures of two classes."""
    root = tmp_path_factory.mktemp("pictures")
    for number in range(4):
        buffer = io.BytesIO()
        PillowImage.fromarray(picture(number)[:, :, 0]).save(buffer, "PNG")
        path = root / "ab"[number % 2] / f"p{number}_0.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(buffer.getvalue())
    return root


@pytest.mark.soak
@pytest.mark.slow
def test_every_directory_holds_its_own_database_and_store(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = NAMES if SOAK else FEW_NAMES
    for name in names:
        root = tmp_path / name
        run("init", "--", name)
        status = json.loads(run("--project", name, "status", "--json").stdout)
        assert status["real"] == {}, f"{name!r} shows another project's images"
        run("--project", name, "import", str(pictures))
        assert (root / "rounds.db").is_file()
        project = Project.open(root)
        assert project.database.engine.url.database == str(root / "rounds.db")
        assert len(ImageStore(str(root / "store")).files()) == 4
        project.database.dispose()
    assert sorted(os.listdir(tmp_path)) == sorted(names)


@pytest.mark.slow
def test_a_backup_is_made_in_restored_from_and_restored_to_a_directory_of_any_name(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "z?one%20#é"
    run("init", str(root))
    run("--project", str(root), "import", str(pictures))
    run("--project", str(root), "backup", "--", "-b?%20#")
    run("--project", str(root), "backup", "--verify", "--", "-b?%20#")
    run("restore", "--secrets", str(root / "secrets"), "--", "-b?%20#", "-again?%41#")
    again = tmp_path / "-again?%41#"
    assert "everything is as it was stored" in run("--project", str(again), "verify", "--pixels").stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["-again?%41#", "-b?%20#", "z?one%20#é"])


@pytest.mark.slow
def test_a_snapshot_is_built_in_and_exported_to_a_directory_of_any_name(tmp_path: Path, pictures: Path) -> None:
    root = tmp_path / "z?one%20#é"
    run("init", str(root))
    run("--project", str(root), "import", str(pictures))
    run("--project", str(root), "snapshot", "build", "first", "--synthetic", "none")
    for format_name in ("imagefolder", "croissant", "parquet"):
        target = tmp_path / f"{format_name}?%20#é"
        run("--project", str(root), "export", format_name, "first", str(target), "--include-real")
        assert (target / "README.md").is_file()


@pytest.mark.parametrize("name", ["z?one", "pct%20dir", "a#b"])
def test_an_address_of_a_file_in_rounds_toml_is_an_address(tmp_path: Path, name: str) -> None:
    url = file_url(tmp_path / name).render_as_string()
    database = Database(url)
    database.migrate()
    database.dispose()
    assert (tmp_path / name).is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="only there a name may be any bytes")
def test_a_directory_whose_name_is_not_utf_8_holds_a_project_too(tmp_path: Path) -> None:
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    project, is_new = open_or_make_project(root)
    assert is_new
    assert os.listdir(os.fsencode(root))
    assert project.settings.name == "??"
    project.database.dispose()


def test_a_directory_that_is_gone_is_named_as_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(NotFound, match=r"the directory that this command was called in is gone.* --project DIRECTORY"):
        run("status")
    os.chdir(tmp_path)


@pytest.mark.slow
def test_settings_written_by_an_editor_that_marks_its_files_are_read(tmp_path: Path) -> None:
    open_or_make_project(tmp_path / "p")
    settings = tmp_path / "p" / "rounds.toml"
    settings.write_bytes(b"\xef\xbb\xbf" + settings.read_bytes())
    assert Project.open(tmp_path / "p").settings.name == "p"
