"""A full, read-only or damaged database, or one of a later version, is one line on every command."""

import io
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click
import pytest

from cli.main import main, rounds
from cli.reference import walk
from curation.image_store import encode_png
from curation.project import Project, open_or_make_project
from tests.rows import picture
from tests.small_disk import close_for_writing, small_disk

ROOT = Path(__file__).parents[2]
WITHOUT_PROJECT = {  # they open none
    "adaptations",
    "restore",
    "shipped snapshot",
    "backbone show",
    "backbone pretrain",
    "backbone distil",
}
EVERY = {
    " ".join(path[1:]): command
    for path, command in walk(rounds, ("rounds",))
    if not isinstance(command, click.Group) and " ".join(path[1:]) not in WITHOUT_PROJECT
}
OPTIONS = {
    "reader add": ["--password-stdin"],
    "reader reset-password": ["--password-stdin"],
    "worklist readers": ["--everyone"],
    "withdraw": ["x"],
    "generator fit": ["--snapshot", "x", "--name", "x"],
    "worker": ["--until-idle"],
    "demo": ["--no-browser"],
}


def arguments_of(name: str, root: Path) -> list[str]:
    """A call of the command with something for everything it requires."""
    words = [*name.split(), *OPTIONS.get(name, [])]
    for parameter in EVERY[name].params:
        if parameter.name == "directory" and name in ("init", "demo"):
            words.append(str(root))
        elif parameter.required and isinstance(parameter, click.Option):
            words += [parameter.opts[-1], *([] if parameter.is_flag else [_some(parameter)])]
        elif parameter.required:
            words.append(_some(parameter))
    return words


def _some(parameter: click.Parameter) -> str:
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    if isinstance(kind, click.Path):
        return str(ROOT / "pyproject.toml") if kind.exists and kind.file_okay is not False else "/dev/shm/not-made/x"
    return "1" if isinstance(kind, click.types.IntParamType | click.types.FloatParamType) else "x"


def not_sqlite(path: Path) -> None:
    path.write_text("this is a note, and no database\n" * 50)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def garbage(path: Path) -> None:
    """Everything but the first page and that of the revision."""
    with closing(sqlite3.connect(path)) as database:
        size = database.execute("PRAGMA page_size").fetchone()[0]
        query = (
            "SELECT rootpage FROM sqlite_master WHERE name IN ('alembic_version', 'sqlite_autoindex_alembic_version_1')"
        )
        kept = {0, *(row[0] - 1 for row in database.execute(query))}
    content, noise = bytearray(path.read_bytes()), random.Random(1)
    for page in range(len(content) // size):
        if page not in kept:
            content[page * size : (page + 1) * size] = noise.randbytes(size)
    path.write_bytes(content)


def later(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = 'from2030'")
        database.commit()


def without_revision(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE alembic_version")
        database.commit()


def without_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA foreign_keys=OFF")
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        for table in {row[0] for row in database.execute(query)} - {"alembic_version"}:
            database.execute(f"DROP TABLE {table}")
        database.commit()


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


ALL_FAULTS = (not_sqlite, truncated, garbage, later, without_revision, without_tables, missing, empty, directory)
EVERYWHERE = (not_sqlite, later, garbage, without_tables)


@pytest.fixture
def damaged(project: Project) -> Callable[[Callable[[Path], None]], Path]:
    """Damages the database of a project with one stored image, and one that is not what its name says."""
    project.store.put(encode_png(picture(1)))
    (project.root / "store" / "ab").mkdir(exist_ok=True)
    (project.root / "store" / "ab" / f"ab{'0' * 62}.png").write_bytes(b"torn")
    (project.root / "anchors.jsonl").write_text('{"count": 1, "hmac": "ab"}\n{"cou')
    (project.root / "snapshots" / "first").mkdir(parents=True)
    project.database.dispose()

    def damage(how: Callable[[Path], None]) -> Path:
        how(project.root / "rounds.db")
        return project.root

    return damage


def call(root: Path, words: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the command as the shell does; it ends with exit code 2 and one line, which is returned."""
    monkeypatch.chdir(root.parent)
    monkeypatch.setattr("sys.argv", ["rounds", "--project", str(root), *words])
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    output, errors = capfd.readouterr()
    assert ended.value.code == 2, f"{words}: {output}{errors}"
    assert "Traceback" not in output + errors
    lines = [line for line in errors.splitlines() if line.startswith(("rounds: ", "Error: "))]
    assert len(lines) == 1, f"{words}: {errors}"
    return lines[0]


@pytest.mark.parametrize("fault", EVERYWHERE, ids=lambda fault: fault.__name__)
@pytest.mark.slow
def test_every_command_ends_in_one_line(
    damaged: Callable[[Callable[[Path], None]], Path],
    fault: Callable[[Path], None],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = damaged(fault)
    for name in EVERY:
        if fault in (garbage, without_tables) and name in ("init", "demo"):
            continue  # their schema is at the newest revision: there is nothing to migrate
        call(root, arguments_of(name, root), capfd, monkeypatch)


@pytest.mark.parametrize("fault", ALL_FAULTS, ids=lambda fault: fault.__name__)
def test_status_says_what_is_wrong_and_verify_checks_what_it_still_can(
    damaged: Callable[[Callable[[Path], None]], Path],
    fault: Callable[[Path], None],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = damaged(fault)
    line = call(root, ["status"], capfd, monkeypatch)
    words = {later: "later version", missing: "there is no database", directory: "cannot be used just now"}
    assert words.get(fault, "Restore a backup" if fault is not garbage else "") in line
    monkeypatch.setattr("sys.argv", ["rounds", "--project", str(root), "verify"])
    with pytest.raises(SystemExit) as ended:
        main()
    output, errors = capfd.readouterr()
    assert ended.value.code == 2
    assert "Traceback" not in output + errors
    assert "its bytes were changed" in output or fault in (garbage, without_tables)
    assert "snapshot 'first'" in output or fault in (garbage, without_tables)
    assert (root / "rounds.db").exists() is not (fault is missing)


@pytest.mark.parametrize("fault", [not_sqlite, later, without_revision, truncated], ids=lambda fault: fault.__name__)
def test_init_repairs_nothing_and_says_so(
    damaged: Callable[[Callable[[Path], None]], Path],
    fault: Callable[[Path], None],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = damaged(fault)
    before = (root / "rounds.db").read_bytes()
    call(root, ["init", str(root)], capfd, monkeypatch)
    assert (root / "rounds.db").read_bytes() == before


@pytest.mark.parametrize("left", ["anchors.jsonl", "store"])
@pytest.mark.parametrize("fault", [empty, missing], ids=lambda fault: fault.__name__)
def test_init_makes_no_empty_database_where_something_was_imported(
    damaged: Callable[[Callable[[Path], None]], Path],
    fault: Callable[[Path], None],
    left: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = damaged(fault)
    if left == "store":
        (root / "anchors.jsonl").unlink()
    else:
        shutil.rmtree(root / "store")
    line = call(root, ["init", str(root)], capfd, monkeypatch)
    assert "Restore a backup" in line
    assert ("stored images" if left == "store" else left) in line
    assert (root / "rounds.db").exists() is not (fault is missing)
    (root / "rounds.toml").unlink()
    if left != "store":
        call(root, ["init", str(root)], capfd, monkeypatch)
        assert not (root / "rounds.toml").exists()


@pytest.mark.slow
def test_a_project_with_nothing_in_it_gets_its_database_again(project: Project) -> None:
    project.database.dispose()
    empty(project.root / "rounds.db")
    made, is_new = open_or_make_project(project.root)
    made.database.check_revision()
    made.database.dispose()
    assert not is_new


@pytest.mark.parametrize("words", [["snapshot", "build", "x"], ["worker", "--until-idle"]])
def test_a_database_on_a_read_only_disk_is_read_and_a_write_is_one_line(
    tmp_path: Path,
    project: Project,
    words: list[str],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project.database.dispose()
    with small_disk(tmp_path / "small", 4_000) as small:
        root = Path(shutil.copytree(project.root, small / "p"))
        close_for_writing(small)
        line = call(root, words, capfd, monkeypatch)
        assert "Read-only" in line or "readonly" in line
        monkeypatch.setattr("sys.argv", ["rounds", "--project", str(root), "status"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from cli.main import main
main()
"""


@pytest.mark.parametrize(
    "words", [["init", "new"], ["--project", "p", "reader", "add", "ada"], ["--project", "p", "status"]]
)
@pytest.mark.slow
def test_a_full_disk_under_the_database_is_one_line(tmp_path: Path, project: Project, words: list[str]) -> None:
    """The limit of a process on a file's size does what a full disk does, and needs no root."""
    project.database.dispose()
    shutil.copytree(project.root, tmp_path / "p")
    command = [sys.executable, "-c", LIMITED, *words]
    ended = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert "Traceback" not in ended.stderr
    if words[-1] != "status":
        assert ended.returncode == 2
        assert ended.stderr.startswith("rounds: ")
        assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()
