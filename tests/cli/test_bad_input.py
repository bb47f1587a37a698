"""Bad numbers, files and places end in one line, and advice names options that exist."""

import ast
import os
import re
from pathlib import Path

import click
import pytest

from cli.main import main, rounds
from cli.numbers import Real
from cli.reference import walk
from curation.project import Project
from tests.small_disk import close_for_writing, small_disk

ROOT = Path(__file__).parents[2]
COMMANDS = {" ".join(path[1:]): command for path, command in walk(rounds, ("rounds",))}
NUMBERS = (click.types.IntParamType, click.types.FloatParamType)
NUMERIC = [
    (name, parameter)
    for name, command in COMMANDS.items()
    for parameter in command.params
    if isinstance(parameter.type, NUMBERS)
]
LABELS = [f"{name} {parameter.name}" for name, parameter in NUMERIC]


def call(words: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Run the command as the shell does; the exit code and what it wrote as an error."""
    monkeypatch.setattr("sys.argv", ["rounds", *words])
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    output, errors = capfd.readouterr()
    assert "Traceback" not in output + errors, errors
    return int(ended.value.code or 0), errors


@pytest.mark.parametrize(("name", "parameter"), NUMERIC, ids=LABELS)
def test_every_number_has_bounds_and_refuses_what_is_none(name: str, parameter: click.Parameter) -> None:
    low, high = getattr(parameter.type, "min", None), getattr(parameter.type, "max", None)
    assert None not in (low, high), f"rounds {name}: give {parameter.name} a range of cli.numbers"
    if isinstance(parameter.type, click.types.FloatParamType):
        assert isinstance(parameter.type, Real)
    above = high + 1 if high + 1 > high else 2 * high
    for bad in ("nan", "inf", "-inf", "1e999", "-1e999", "x", "", "1" * 5000, str(above), str(low - 1), "-9" * 30):
        with pytest.raises(click.BadParameter):
            parameter.type.convert(bad, parameter, None)


@pytest.mark.parametrize(
    "words",
    [
        "generate --generator x --count normal=-1",
        "generate --generator x --count normal=0",
        "generate --generator x --count normal=nan",
        "generate --generator x --count normal=99999999999999999999",
        "generate --generator x --count normal=9999999,ring=9999999",
        "generate --generator x --count ²=²",
        "generate --generator x --count normal=²",
        "generate --generator x --count =",
        "import . --size 0",
        "import . --size -1",
        "import . --size nan",
        "import . --size 99999x99999",
        "import . --window nan:1",
        "import . --window 1:inf",
        "import . --window 1:-1",
        "import . --window x",
        "import . --slices x",
        "import . --slices ::0",
        "import . --slices 9:1",
        "import . --slices " + "9" * 5000 + ":",
        "import virtual-brains:-1",
        "import virtual-brains:0",
        "import virtual-brains:nan",
        "import virtual-brains:99999999999999999999",
        "snapshot preview --check sharpness>=nan",
        "snapshot preview --check sharpness>=inf",
        "snapshot preview --check sharpness>=x",
        "snapshot preview --check sharpness",
        "snapshot preview --weight real=nan",
        "snapshot preview --weight real=-1",
        "snapshot preview --weight real=inf",
        "snapshot preview --weight real=x",
        "lineage image:99999999999999999999",
        "lineage image:nan",
        "lineage batch:-1",
        "jobs cancel 9223372036854775807",
        "measure show 9223372036854775807",
        "screen 9223372036854775807",
        "train --snapshot x --name two\twords",
        "study run " + "x" * 200,
    ],
)
def test_numbers_inside_texts_are_refused_in_one_line(
    project: Project, words: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(path for path in project.root.rglob("*"))
    code, errors = call(["--project", str(project.root), *words.split(" ")], capfd, monkeypatch)
    assert code == 2, errors
    assert len([line for line in errors.splitlines() if line.startswith(("rounds: ", "Error: "))]) == 1
    made = {path.name for path in project.root.rglob("*") if path not in before}
    assert made <= {"rounds.db-wal", "rounds.db-shm", "secrets", "audit.key", "locks", "subjects.key", ".import.lock"}


PLACES = [
    ["init", "{}"],
    ["demo", "{}", "--no-browser"],
    ["backup", "{}"],
    ["shipped", "snapshot", "--out", "{}", "--train", "1", "--validation", "1", "--workers", "1"],
    ["restore", "{}", "again"],
    ["screening", "report", "--out", "{}"],
    ["export", "imagefolder", "none", "{}"],
    ["snapshot", "export", "none", "{}"],
]


@pytest.mark.parametrize("words", PLACES, ids=[" ".join(words) for words in PLACES])
def test_a_place_that_cannot_be_written_is_one_line_and_nothing_is_left(
    tmp_path: Path,
    project: Project,
    words: list[str],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text("a file")
    monkeypatch.chdir(tmp_path)
    with small_disk(tmp_path / "closed", 100) as closed:
        close_for_writing(closed)
        for place in (tmp_path / "file" / "x", closed / "x", Path("/proc/x"), tmp_path / ("x" * 300)):
            command = [word.format(place) for word in words]
            code, errors = call(["--project", str(project.root), *command], capfd, monkeypatch)
            assert code == 2, errors
            assert errors.splitlines()[-1].startswith(("rounds: ", "Error: ")), errors
            assert sorted(os.listdir(tmp_path)) == ["closed", "file", "project"]


@pytest.mark.parametrize("option", ["--store-url", "--database-url"])
@pytest.mark.parametrize("place", ["file/x", "closed/x", "/proc/x"])
def test_init_where_store_or_database_cannot_be_made_leaves_nothing(
    tmp_path: Path, option: str, place: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("a file")
    with small_disk(tmp_path / "closed", 100) as closed:
        close_for_writing(closed)
        where = str(tmp_path / place) if not place.startswith("/") else place
        where = f"sqlite:///{where}" if option == "--database-url" else where
        code, errors = call(["init", str(tmp_path / "new" / "p"), option, where], capfd, monkeypatch)
        assert code == 2
        assert errors.startswith("rounds: ")
        assert errors.count("\n") == 1
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b'{"name": 1}', b"null", b'{"seed": NaN}'])
@pytest.mark.parametrize(
    "words",
    [
        "generator fit --snapshot x --name x --recipe {}",
        "generator canaries --snapshot x --out out --recipe {}",
        "snapshot preview --recipe {}",
        "backbone pretrain --snapshot-folder . --out out --recipe {}",
        "backbone distil --teacher shipped --snapshot-folder . --out out --recipe {}",
    ],
)
def test_a_recipe_that_is_none_is_one_line(
    tmp_path: Path,
    project: Project,
    words: str,
    content: bytes,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.json").write_bytes(content)
    for recipe in ("recipe.json", "."):
        command = words.format(recipe).split()
        code, errors = call(["--project", str(project.root), *command], capfd, monkeypatch)
        assert code == 2, errors
        assert errors.splitlines()[-1].startswith(("rounds: ", "Error: "))


def advice() -> list[tuple[str, str, str]]:
    """Every text of the program that names an option: where it stands, the option, and the command if it names one."""
    found = []
    for folder in ("cli", "curation", "generate", "train", "screening", "review_ui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found += _options_in(f"{path.relative_to(ROOT)}:{node.lineno}", node.value)
    return found


def _options_in(place: str, text: str) -> list[tuple[str, str, str]]:
    found = []
    for span in re.split(r"(?=\brounds [a-z])|[`\n]", text):
        words = span.split()
        named = " ".join(words[1:4]) if words[:1] == ["rounds"] else ""
        found += [(place, option, named) for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", span)]
    return found


# Options of other programs (PostgreSQL's, uvicorn, pip), and a variable of a style sheet.
OTHERS = {"--dbname", "--exit-on-error", "--factory", "--file", "--format", "--heat", "--list", "--no-owner"}
OTHERS |= {"--no-privileges", "--single-transaction", "--label"}
OTHERS |= {"--no-deps", "--only-binary", "--no-input", "--disable-pip-version-check", "--dest", "--logdir"}


@pytest.mark.slow
def test_every_option_that_a_message_names_exists_on_the_command_it_names() -> None:
    options = {
        name: {word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)}
        for name, command in COMMANDS.items()
    }
    everywhere = set().union(*options.values()) | {"--help", "--version"}
    wrong = []
    for place, option, words in advice():
        calls = [" ".join(words.split()[:end]) for end in (3, 2, 1)]
        named = next((call for call in calls if call and call in options), "")
        known = options[named] | options[""] | {"--help"} if named else everywhere
        if option not in known and option not in OTHERS:
            wrong.append(f"{place}: {option} {f'of rounds {named}' if named else ''}")
    assert not wrong, "\n".join(wrong)
