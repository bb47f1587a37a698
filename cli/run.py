"""`rounds run`: list runs, and remove them."""

import click

from cli.removal import remove_command
from cli.terminal import emit, json_option, now, pass_project
from curation.lineage.graph import NodeKind
from curation.project import Project
from curation.provenance.withdrawn import affected_notes
from curation.status import state_of
from curation.tables.training import Snapshot
from curation.tables.withdrawals import AffectedKind


@click.group()
def run() -> None:
    """List runs, and remove them. `rounds train` makes a run, `rounds evaluate` measures it.

    \b
    Example:
      rounds run list
    """


run.add_command(remove_command(NodeKind.RUN))


@run.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List runs, with whether each is ready, running, queued or interrupted.

    `rounds train --resume NAME` continues an interrupted one.

    \b
    Example:
      rounds run list
    """
    from train.adaptation.records import list_runs

    with project.database.read() as session:
        notes = affected_notes(session, AffectedKind.RUN)
        rows = [
            {
                "name": run.name,
                "status": state_of(session, project, now(), run),
                "snapshot": session.get_one(Snapshot, run.snapshot_id).name,
                "adaptation": run.config.get("adaptation"),
                "validation": {name: value for name, value in run.metrics.items() if isinstance(value, float)},
                "made": run.created_at,
                "withdrawals": notes.get(run.id),
            }
            for run in list_runs(session)
        ]
    emit(rows, as_json, title="runs")
