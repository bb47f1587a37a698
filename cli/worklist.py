"""`rounds worklist`: what is read, and by which rules."""

from dataclasses import asdict
from typing import Literal

import click

from cli.terminal import emit, json_option, now, pass_project
from curation.outcomes import recompute_outcomes
from curation.project import Project
from curation.vocabulary import VOCABULARIES
from curation.worklists import WorklistRecipe, close_worklist, create_worklist, find_worklist, list_worklists


@click.group()
def worklist() -> None:
    """Make, list and close worklists.

    \b
    Example:
      rounds worklist create first
    """


@worklist.command()
@click.argument("name")
@click.option("--batch", "batches", type=int, multiple=True, help="Batch ids; without it, every screened batch.")
@click.option("--limit", type=click.IntRange(1), help="At most this many candidates.")
@click.option("--passed-only", is_flag=True, help="Leave out what screening flagged.")
@click.option("--again", is_flag=True, help="Also images that have an outcome already.")
@click.option("--readers-per-image", type=click.IntRange(1, 5), default=1, show_default=True)
@click.option("--rule", type=click.Choice(["single", "majority", "unanimous"]), help="How verdicts add up.")
@click.option("--label-blind", is_flag=True, help="Do not show the class that was asked for.")
@click.option(
    "--real-controls", type=click.IntRange(0), default=0, show_default=True, help="Real images mixed in blind."
)
@click.option("--vocabulary", type=click.Choice(list(VOCABULARIES)), default="general", show_default=True)
@click.option("--seed", default=0, show_default=True)
@json_option
@pass_project
def create(
    project: Project,
    name: str,
    batches: tuple[int, ...],
    limit: int | None,
    passed_only: bool,
    again: bool,
    readers_per_image: int,
    rule: Literal["single", "majority", "unanimous"] | None,
    label_blind: bool,
    real_controls: int,
    vocabulary: str,
    seed: int,
    as_json: bool,
) -> None:
    """Make a worklist NAME of screened candidates that nobody has settled yet.

    \b
    Example:
      rounds worklist create first --vocabulary brain_mr --real-controls 10
    """
    recipe = WorklistRecipe(
        name=name,
        batches=batches,
        include=("pass",) if passed_only else ("pass", "flag"),
        limit=limit,
        again=again,
        readers_per_image=readers_per_image,
        rule=rule or ("single" if readers_per_image == 1 else "majority"),
        label_shown=not label_blind,
        real_controls=real_controls,
        vocabulary=vocabulary,
        seed=seed,
    )
    with project.database.write() as session:
        made = create_worklist(session, project.chain, now(), recipe)
    question = made.question.replace("{label}", "its class")
    emit({"worklist": made.name, "images": made.size, "question": question, "notice": made.notice}, as_json)


@worklist.command("list")
@json_option
@pass_project
def list_worklists_command(project: Project, as_json: bool) -> None:
    """List worklists with how far they are and who read.

    \b
    Example:
      rounds worklist list
    """
    with project.database.write() as session:
        for row in list_worklists(session):
            recompute_outcomes(session, row.id)
        rows = [asdict(row) for row in list_worklists(session)]
    emit(rows, as_json, title="worklists")


@worklist.command()
@click.argument("name")
@pass_project
def close(project: Project, name: str) -> None:
    """End the reading of a worklist; its readings stay.

    \b
    Example:
      rounds worklist close first
    """
    with project.database.write() as session:
        close_worklist(session, project.chain, now(), name)
        counts = recompute_outcomes(session, find_worklist(session, name).id)
    click.echo(f"{name}: closed; outcomes: {counts or 'none'}")
