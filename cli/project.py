"""`rounds init`, `rounds status`, `rounds verify`: a project as a whole."""

import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.terminal import emit, json_option, pass_project, progress_bar
from curation.errors import Damaged
from curation.project import Project, open_or_make_project
from curation.status import Status, project_status
from curation.verification.verify import Verification, verify_project

SHOWN = 20


@click.command()
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", help="The name of the project. Default: the name of its directory.")
@click.option(
    "--database-url",
    default="sqlite:///rounds.db",
    show_default=True,
    help="Where the database is: sqlite:///... or postgresql+psycopg://...",
)
@click.option(
    "--store-url", default="store", show_default=True, help="Where images are stored: a directory, or s3://..."
)
@click.pass_context
def init(ctx: click.Context, directory: Path | None, name: str | None, database_url: str, store_url: str) -> None:
    """Make a project in DIRECTORY, by default the current one. If there is a project, bring its database up to date.

    \b
    Example:
      rounds init brains
    """
    root = (directory or ctx.find_root().obj or Path.cwd()).resolve()
    project, is_new = open_or_make_project(root, name, database_url, store_url)
    click.echo(f"{'Made' if is_new else 'Brought up to date'} the project {project.settings.name!r} in {root}.")
    if is_new:
        step = "" if root == Path.cwd() else f"cd {root} && "
        click.echo(f"Next: {step}rounds import virtual-brains:400")


@click.command()
@json_option
@pass_project
def status(project: Project, as_json: bool) -> None:
    """Show what the project holds and what is running.

    \b
    Example:
      rounds status
    """
    with project.database.read() as session:
        state = project_status(session)
    record = {"project": project.settings.name, "directory": str(project.root), **asdict(state)}
    emit(record if as_json else _overview(project, state), as_json, title=f"project {project.settings.name}")


def _overview(project: Project, state: Status) -> dict[str, Any]:
    """The numbers in a few lines for the eye; what there is none of yet says so with a dash."""
    lines: dict[str, Any] = {"directory": project.root}
    for notice in dict.fromkeys(row["notice"] for row in state.imports if row["notice"]):
        lines.setdefault("notice", []).append(notice)
    for row in state.imports:
        lines[f"import {row['source']}"] = _import_line(row)
    for split, labels in state.real.items():
        lines[f"real, {split}"] = (
            f"{sum(labels.values())} images of {state.subjects[split]} subjects: {_counts(labels)}"
        )
    lines["synthetic"] = _counts(state.synthetic) or None
    lines["generators"] = state.generators or None
    for row in state.batches:
        lines[f"batch {row['batch']}"] = f"{row['drawn']} of {row['size']} drawn by {row['generator']}, {row['status']}"
    for row in state.worklists:
        people = f"{row['read_by_people']} of {row['to_read']} read by people"
        lines[f"worklist {row['worklist']}"] = f"{people}, {row['read_by_proxies']} by proxy models; {row['state']}"
    lines["readings"] = f"{state.readings['human']} by people, {state.readings['proxy']} by proxy models"
    for row in state.snapshots:
        splits = {split: sum(labels.values()) for split, labels in row["counts"].items()}
        lines[f"snapshot {row['name']}"] = f"{_counts(splits)}, {row['status']}"
    for row in state.runs:
        lines[f"run {row['name']}"] = row["status"]
    if state.affected:
        lines["withdrawals"] = state.affected
    lines["jobs"] = _counts(state.jobs) or None
    return lines


def _import_line(row: dict[str, Any]) -> str:
    return f"{row['added']} images" if row["status"] == "ready" else "running, or interrupted: import it again"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


@click.command()
@click.option("--pixels", is_flag=True, help="Decode every image too and check its pixels against their digest.")
@click.option(
    "--sample", type=click.IntRange(1), help="A quick look: read only this many files, chosen at random each time."
)
@json_option
@pass_project
def verify(project: Project, pixels: bool, sample: int | None, as_json: bool) -> None:
    """Check every stored file, row, snapshot and event. Repairs nothing.

    Ends with exit code 0 when everything is as it was stored, with 2 when there is a fault or nothing could be checked.

    \b
    Example:
      rounds verify --pixels
      rounds verify --sample 1000
    """
    seed = secrets.randbits(32)
    with progress_bar("verifying", quiet=as_json) as report:
        result = verify_project(project, report, pixels=pixels, sample=sample, seed=seed)
    if as_json:
        emit(asdict(result), as_json)
    else:
        print_verification(result)
    if result.faults:
        raise Damaged(f"{len(result.faults)} faults. Restore what is listed from a backup; nothing was changed.")


def print_verification(result: Verification) -> None:
    """Print what was checked and what was found."""
    which = "chosen at random" if result.sampled else "all there are"
    click.echo(
        f"{result.files} files ({which}), {result.snapshots} snapshots, {result.chain.events} events, rows: checked"
    )
    click.echo(f"the chain of events was checked against {result.chain.anchors} anchors")
    leftovers = {
        "orphan files (no row points at them), left by interrupted work, harmless": result.orphans,
        "unfinished files, left by interrupted work, harmless": result.unfinished,
        "under way, or interrupted and resumed by the same command": result.building,
    }
    for what, names in leftovers.items():
        if names:
            click.echo(f"{len(names)} {what}:")
            print_some(names)
    if result.not_covered:
        rows = ", ".join(result.not_covered)
        click.echo(
            f"not covered: {rows}: their events, of an earlier version, keep no digest, so a change cannot be seen"
        )
    if result.faults:
        click.echo(f"{len(result.faults)} faults:")
        print_some(result.faults)
    elif result.sampled:
        click.echo("what was looked at is as it was stored; without --sample everything is read")
    else:
        click.echo(f"everything {'that is covered ' if result.not_covered else ''}is as it was stored")


def print_some(lines: list[str]) -> None:
    """Print the first lines of a long list, and how many more there are."""
    for line in lines[:SHOWN]:
        click.echo(f"  {line}")
    if len(lines) > SHOWN:
        click.echo(f"  ... and {len(lines) - SHOWN} more: --json lists all")
