"""Find the project, print records, show progress: what commands share."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from curation.database import Database
from curation.errors import BadInput, Damaged, NotFound, RoundsError, hide_passwords
from curation.jobs import utc_now
from curation.progress import OnProgress, ProgressLines
from curation.project import Project
from curation.tables.operations import Job
from curation.verification.stored_values import find_wrong_values

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=Callable[..., Any])

HEAD_LINES = 4  # of a table: its title, and names of columns in three words

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


now = utc_now  # library functions are given it


def pass_project(function: Callable[Concatenate[Project, P], R]) -> Callable[P, R]:
    """Give the command the opened project, found from --project or from the current directory upwards."""

    @wraps(function)
    def with_project(*args: P.args, **kwargs: P.kwargs) -> R:
        project = find_project(click.get_current_context())
        with damage_told(project.database):
            return function(project, *args, **kwargs)

    return with_project


def find_project(context: click.Context) -> Project:
    """Open the project of --project, or the nearest one from the current directory upwards."""
    project = open_project(context)
    project.database.check_revision()
    return project


def open_project(context: click.Context) -> Project:
    """Open the project like `find_project`, whatever has become of its database."""
    directory: Path | None = context.find_root().obj
    return Project.open(directory.resolve()) if directory else Project.find(_this_directory())


def _this_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise NotFound(
            "the directory that this command was called in is gone. Go to another one, or give --project DIRECTORY."
        ) from error


def project_root(context: click.Context) -> Path:
    """The root of the project, or this directory where there is none."""
    try:
        return find_project(context).root
    except NotFound:
        return _this_directory()


@contextmanager
def damage_told(database: Database) -> Iterator[None]:
    """Say in one line that the database is damaged, where that is why a command failed in a way nobody meant."""
    try:
        yield
    except (RoundsError, click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        if faults := database.faults() or find_wrong_values(database):
            raise Damaged(
                f"the database {database.place} is damaged ({'; '.join(faults)}). `rounds verify` says what is whole; "
                "restore a backup."
            ) from error
        raise


def emit(rows: Sequence[dict[str, Any]] | dict[str, Any], as_json: bool, title: str | None = None) -> None:
    """Print one record or a list of them, as JSON or for the eye; whatever the terminal's width, nothing is cut."""
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
        return
    console = Console()
    if isinstance(rows, dict):
        console.print(_block(rows, title))
    elif not rows:
        console.print(f"{title or 'list'}: none yet")
    elif _is_readable(console, table := _table(rows, title), rows):
        console.print(table)
    else:
        for number, row in enumerate(rows):
            console.print(*([] if number == 0 else [""]), _block(_known(row), title if number == 0 else None), sep="\n")


def with_options(*options: Callable[[Any], Any]) -> Callable[[C], C]:
    """Give a command several options, in this order."""

    def add(command: C) -> C:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def queue_option(doing: str) -> Callable[[C], C]:
    """The option --queue of a command that would do its work here without it."""
    return click.option("--queue", is_flag=True, help=f"Leave it to `rounds worker`, instead of {doing} here.")


def emit_queued(job: Job, facts: dict[str, Any], as_json: bool) -> None:
    """Print the job that a request became."""
    emit({**facts, "job": job.id}, as_json, title=f"job {job.id}")
    if not as_json:
        click.echo("queued: `rounds worker` does it, `rounds jobs list` shows how far it is")


def tell(line: str) -> None:
    """Say a line on standard error, where it does not mix with what a command prints."""
    click.echo(line, err=True)


def confirm(question: str, yes: bool) -> None:
    """Ask before something that cannot be undone or takes long; `--yes` answers beforehand.

    Raises BadInput where nobody can be asked: standard input is no terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput(f"{question} Nobody can be asked here: give --yes to go on. Nothing was changed.")
    click.confirm(question, abort=True, err=True)


def with_readable_keys(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records with their fields' names as words, which fold where a terminal is narrow."""
    return [{name.replace("_", " "): value for name, value in row.items()} for row in rows]


def _table(rows: Sequence[dict[str, Any]], title: str | None) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for key in rows[0]:
        table.add_column(key, overflow="fold")
    for row in rows:
        table.add_row(*[_cell(value) for value in row.values()])
    return table


def _block(row: dict[str, Any], title: str | None) -> Table:
    """One record, a fact a line."""
    table = Table(title=title, show_header=False, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in row.items():
        table.add_row(f"[dim]{key}[/dim]", _cell(value))
    return table


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """The record without what is empty."""
    return {key: value for key, value in row.items() if _cell(value) not in ("", "-")}


def _is_readable(console: Console, table: Table, rows: Sequence[dict[str, Any]]) -> bool:
    """Whether no word is broken, and a row takes two lines on average at most."""
    lines = ["".join(piece.text for piece in line) for line in console.render_lines(table, pad=False)]
    whole = {word for line in lines for word in line.split()}
    needed = {word for row in rows for value in row.values() for word in _cell(value).split()}
    return needed <= whole and len(lines) <= HEAD_LINES + 2 * len(rows)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, float):
        return f"{value:.3g}"
    return "-" if value is None else str(value)


@contextmanager
def progress_bar(description: str, quiet: bool = False) -> Iterator[OnProgress]:
    """Show progress on standard error; yields `report(done, total, note)`.

    On a terminal it is a bar, and `quiet` hides it. Elsewhere (a log, a service, a pipe) it is one line a minute, also
    with `quiet`: long work is never silent.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        lines = ProgressLines(description, tell)
        with lines.spoken() as report:
            yield report
        if lines.lines or not quiet:
            lines.say_end()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}[/dim]"),
    )
    with Progress(*columns, console=console, disable=quiet) as progress:
        task = progress.add_task(description, total=None, note="")

        def show(done: int, total: int, note: str | None = None) -> None:
            progress.update(task, completed=done, total=total, note=note or "")

        yield show


def use_torch_threads(project: Project) -> None:
    """Set torch's thread count to the project's setting; 0 leaves torch's own choice."""
    if project.settings.torch_threads:
        import torch

        torch.set_num_threads(project.settings.torch_threads)


def this_command() -> str:
    """Give the command line that runs, for cards and reports; without the passwords of addresses."""
    return hide_passwords(f"rounds {' '.join(sys.argv[1:])}")
