"""The command `remove` of runs, studies, snapshots, batches, backbones and generators."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import click

from cli.terminal import confirm, emit, json_option, now, pass_project, progress_bar
from curation.lineage.graph import NodeKind
from curation.lineage.naming import NUMBERED
from curation.project import Project
from curation.removal.remove import Removal, plan_removal, remove

STAYS = {
    NodeKind.RUN: "its snapshot and its backbone stay",
    NodeKind.STUDY: "the snapshots of its arms stay: `rounds snapshot list`",
    NodeKind.SNAPSHOT: "its images stay in the project",
    NodeKind.BACKBONE: "what was measured with it stays",
    NodeKind.GENERATOR: "its snapshot stays",
    NodeKind.BATCH: "its generator stays",
}

PlanRemoval: TypeAlias = Callable[[Project, NodeKind, str], Removal]
Remove: TypeAlias = Callable[[Project, datetime, NodeKind, str], Removal]


def remove_command(kind: NodeKind, plan_removal: PlanRemoval = plan_removal, remove: Remove = remove) -> click.Command:
    """Make the command that removes a thing of this kind."""

    @click.command("remove", help=_help(kind), short_help=f"Remove a {kind} from which nothing descends.")
    @click.argument("name")
    @click.option("--yes", is_flag=True, help="Remove it without asking, as scripts need.")
    @json_option
    @pass_project
    def command(project: Project, name: str, yes: bool, as_json: bool) -> None:
        planned = plan_removal(project, kind, name)
        confirm(f"Remove {_words(planned)}? This cannot be undone.", yes)
        with progress_bar(f"removing {kind} {name}", quiet=True):
            removed = remove(project, now(), kind, name)
        project.anchor()
        facts: dict[str, Any] = {str(kind): name, "files": removed.files, "bytes": removed.size_bytes}
        if as_json:
            emit(facts, as_json)
        else:
            click.echo(f"removed {_words(removed)}; {STAYS[kind]}, and so do its events")

    return command


def _help(kind: NodeKind) -> str:
    what, names, example = f"{kind} NAME", "A name that was removed can be used again.", "NAME"
    if kind in NUMBERED:
        what, names, example = f"{kind} with the number NAME", "No other is given its number.", "3"
    return f"""Remove the {what}: its files and rows go, its events stay, and an event records the removal.

    Refused while something descends from it or a job waits for it; what that is is named. {names}

    \b
    Example:
      rounds {kind} remove {example} --yes
    """


def _words(removal: Removal) -> str:
    return f"{removal.kind} {removal.name!r} ({removal.files:,} files, {removal.size_bytes / 1e6:.1f} MB)"
