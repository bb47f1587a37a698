"""`rounds worklist`, `rounds reader`, `rounds read`: what is read, and by whom."""

import sys
from dataclasses import asdict
from typing import Literal

import click
from sqlalchemy import select

from cli.terminal import emit, json_option, now, pass_project, progress_bar, use_torch_threads
from curation.models.people import Reader, Role
from curation.outcomes import recompute_outcomes
from curation.project import Project
from curation.readers import add_reader, reset_password
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


@click.group()
def reader() -> None:
    """Add and list readers.

    \b
    Example:
      rounds reader add alice
    """


@reader.command()
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), default="reader", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, for scripts.")
@click.option("--change-password", is_flag=True, help="The reader chooses another one at the first sign-in.")
@pass_project
def add(project: Project, name: str, role: str, password_stdin: bool, change_password: bool) -> None:
    """Add a person who reads; asks for a password of at least 10 characters.

    \b
    Example:
      rounds reader add alice --role curator
    """
    password = _password(password_stdin)
    with project.database.write() as session:
        add_reader(
            session,
            project.chain,
            now(),
            name,
            password,
            role=Role(role),
            must_change_password=change_password,
        )
    click.echo(f"reader {name} added; `rounds review` opens the page")


@reader.command("reset-password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, for scripts.")
@pass_project
def reset_password_command(project: Project, name: str, password_stdin: bool) -> None:
    """Give a reader another password, which ends their sessions.

    \b
    Example:
      rounds reader reset-password alice
    """
    password = _password(password_stdin)
    with project.database.write() as session:
        reset_password(session, project.chain, now(), name, password)
    click.echo(f"reader {name}: password changed, sessions ended")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


@reader.command("list")
@json_option
@pass_project
def list_readers_command(project: Project, as_json: bool) -> None:
    """List readers; proxies are models and marked as such.

    \b
    Example:
      rounds reader list
    """
    with project.database.read() as session:
        rows = [
            {"name": one.name, "kind": one.kind.value, "role": one.role.value, "active": one.active}
            for one in session.scalars(select(Reader).order_by(Reader.id))
        ]
    emit(rows, as_json, title="readers")


@click.command()
@click.argument("worklist_name", metavar="WORKLIST")
@click.option(
    "--proxy", is_flag=True, required=True, help="Said aloud: what follows is a model's reading, not a person's."
)
@json_option
@pass_project
def read(project: Project, worklist_name: str, proxy: bool, as_json: bool) -> None:
    """Let a proxy, a probe fitted on real training images, read WORKLIST. It takes no slot from people.

    Its readings are marked `proxy` everywhere, and no claim rests on them.

    \b
    Example:
      rounds read first --proxy
    """
    from curation.screening.proxy import read_worklist_by_proxy

    use_torch_threads(project.settings.torch_threads)
    with progress_bar("proxy reads", quiet=as_json) as report:
        facts = read_worklist_by_proxy(project, worklist_name, now(), report)
    emit(facts, as_json, title=f"worklist {worklist_name}, read by a proxy")
