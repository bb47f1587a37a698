"""Commands that fit, train and study in a small curated project."""

from pathlib import Path

from click.testing import CliRunner

from cli.main import rounds
from curation.errors import RoundsError
from curation.project import Project


def run(project: Project, *arguments: str) -> str:
    """Run a command; an error meant for the user is raised as it is."""
    result = CliRunner().invoke(rounds, ["--project", str(project.root), *arguments])
    if isinstance(result.exception, RoundsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout if "--json" in arguments else result.output


def train_command(backbone: Path, *more: str) -> tuple[str, ...]:
    options = ("--backbone", str(backbone), "--allow-unknown-provenance", "--steps", "4", "--batch-size", "4")
    return ("train", "--snapshot", "real", "--name", "mine", *options, *more)


def study_command(backbone: Path, *more: str) -> tuple[str, ...]:
    arms = ("--arm", "real_only", "--arm", "plus_raw")
    return (
        "study",
        "run",
        "first",
        *arms,
        "--seeds",
        "2",
        "--steps",
        "3",
        "--backbone",
        str(backbone),
        "--allow-unknown-provenance",
        *more,
    )
