"""The command line keeps its promises: quick help, an example everywhere, documents that match."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli.main import rounds
from cli.reference import render, walk
from train.adaptation.table_page import put_table

ROOT = Path(__file__).parent.parent.parent
EVERY = list(walk(rounds, ("rounds",)))


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(path) for path, _ in EVERY])
def test_every_command_has_an_example_that_calls_it(path: tuple[str, ...], command: click.Command) -> None:
    text = command.help or ""
    assert "Example:" in text, f"{' '.join(path)} has no example in its help"
    example = text.split("Example:", 1)[1]
    assert " ".join(path) in example


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(path) for path, _ in EVERY])
def test_commands_that_list_or_report_offer_json(path: tuple[str, ...], command: click.Command) -> None:
    if path[-1] in {"list", "status", "verify", "show", "evaluate"}:
        assert "--json" in {option for parameter in command.params for option in parameter.opts}


def test_help_does_not_import_torch() -> None:
    run_help = "import sys; from cli.main import rounds; rounds(['--help'], standalone_mode=False)"
    code = f"{run_help}; print('torch' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert finished.stdout.rstrip().endswith("False")


def test_the_command_reference_is_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "commands.md").read_text() == render(), "run `make docs` and commit docs/commands.md"
    adaptation = (ROOT / "docs" / "adaptation.md").read_text()
    assert adaptation == put_table(adaptation), "run `make docs` and commit docs/adaptation.md"


def test_every_command_that_the_readme_shows_exists() -> None:
    known = {" ".join(path) for path, _ in EVERY}
    shown = [
        line.strip() for line in (ROOT / "README.md").read_text().splitlines() if line.strip().startswith("rounds ")
    ]
    assert shown
    for line in shown:
        words = line.split("#")[0].split()
        assert any(" ".join(words[: n + 1]) in known for n in (1, 2)), line


@pytest.mark.slow
def test_a_mistake_ends_in_one_line_and_exit_code_2(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from cli.main import main; main()", "--project", str(tmp_path), "status"]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert finished.returncode == 2
    assert finished.stderr.startswith("rounds: ")
    assert "Traceback" not in finished.stderr
