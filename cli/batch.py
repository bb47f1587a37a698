"""`rounds batch`: list batches of generated images, and remove them."""

import click

from cli.removal import remove_command
from cli.terminal import emit, json_option, now, pass_project
from curation.lineage.graph import NodeKind
from curation.project import Project
from curation.removal.batch import plan_batch_removal, remove_batch
from curation.status import list_batches


@click.group()
def batch() -> None:
    """List batches of generated images, and remove them. `rounds generate` makes a batch.

    \b
    Example:
      rounds batch list
    """


batch.add_command(remove_command(NodeKind.BATCH, plan_batch_removal, remove_batch))


@batch.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List batches, with whether each is ready, running, queued, cancelled or interrupted.

    The same `rounds generate` continues an interrupted one.

    \b
    Example:
      rounds batch list
    """
    with project.database.read() as session:
        rows = list_batches(session, now())
    emit(rows, as_json, title="batches")
