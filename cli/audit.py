"""`rounds audit`: list the events of the project and verify their chain."""

from dataclasses import asdict
from typing import Any

import click

from cli.numbers import LINES
from cli.project import print_not_covered, print_some
from cli.terminal import emit, json_option, pass_project
from curation.audit import MEMBERS, last_anchor, list_events
from curation.errors import Damaged
from curation.project import Project
from curation.verification.verify import verify_events


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
    """Find events that were altered, removed or moved, up to the last anchor, and rows that are not what their events
    record. Any fault ends in an error. Nothing is written.

    \b
    Example:
      rounds audit verify
    """
    verification = verify_events(project)
    chain, anchored = verification.chain, last_anchor(project.anchors_path)
    if as_json:
        checked = {"faults": verification.faults, "not_covered": verification.not_covered}
        emit({**asdict(chain), **checked, "last_anchor": anchored}, as_json)
    else:
        click.echo(f"{chain.events} events, the last one {chain.head}")
        click.echo(
            f"{chain.anchors} anchors, the last one after event {anchored}"
            if anchored
            else "no anchors yet: a tail that was cut off cannot be seen"
        )
        print_not_covered(verification)
        print_some(verification.faults)
    if verification.faults:
        raise Damaged(
            f"{len(verification.faults)} faults in the chain of events and the rows it records. "
            "Compare with a backup; nothing was changed."
        )


@audit.command()
@click.option("--kind", help="Only events of this kind (reader.role_changed) or of this group (reader).")
@click.option("--limit", type=LINES, default=50, show_default=True, help="How many events, the newest ones.")
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
            {
                "event": row.sequence,
                "at": row.at.isoformat(timespec="seconds"),
                "kind": row.kind,
                "about": _short(row.payload),
            }
            for row in list_events(session, kind, limit)
        ]
    emit(rows, as_json, title="events")


def _short(payload: dict[str, Any]) -> dict[str, Any]:
    """Leave out the digests of members, of which an event may keep a thousand, and say how many there are."""
    members = payload.get(MEMBERS)
    return payload if members is None else {**payload, MEMBERS: f"{len(members['digests'])} digests"}
