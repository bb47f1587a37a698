"""`rounds audit`: list the events of the project and verify their chain."""

from dataclasses import asdict

import click

from cli.project import print_some
from cli.terminal import emit, json_option, pass_project
from curation.audit import last_anchor, list_events
from curation.errors import Damaged
from curation.project import Project


@click.group()
def audit() -> None:
    """List the recorded events, and check their chain against its anchors.

    \b
    Example:
      rounds audit verify
    """


@audit.command()
@json_option
@pass_project
def verify(project: Project, as_json: bool) -> None:
    """Find events that were altered, removed or moved, up to the last anchor. Any fault ends in an error.

    \b
    Example:
      rounds audit verify
    """
    with project.database.read() as session:
        verification = project.chain.verify(session, project.anchors_path)
    anchored = last_anchor(project.anchors_path)
    if as_json:
        emit({**asdict(verification), "last_anchor": anchored}, as_json)
    else:
        click.echo(f"{verification.events} events, the last one {verification.head}")
        click.echo(
            f"{verification.anchors} anchors, the last one after event {anchored}"
            if anchored
            else "no anchors yet: a tail that was cut off cannot be seen"
        )
        print_some(verification.faults)
    if verification.faults:
        raise Damaged(
            f"{len(verification.faults)} faults in the chain of events. Compare with a backup; nothing was changed."
        )


@audit.command()
@click.option("--kind", help="Only events of this kind (reader.role_changed) or of this group (reader).")
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="How many events, the newest ones."
)
@json_option
@pass_project
def show(project: Project, kind: str | None, limit: int, as_json: bool) -> None:
    """List the newest events, newest first: ids and digests, never names.

    \b
    Example:
      rounds audit show --kind reader --limit 20
    """
    with project.database.read() as session:
        rows = [
            {"event": row.sequence, "at": row.at.isoformat(timespec="seconds"), "kind": row.kind, "about": row.payload}
            for row in list_events(session, kind, limit)
        ]
    emit(rows, as_json, title="events")
