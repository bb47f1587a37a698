"""`rounds vocabulary`: the reasons for rejecting an image."""

from dataclasses import asdict

import click

from cli.terminal import emit, json_option, now, pass_project
from curation.errors import BadInput
from curation.project import Project
from curation.worklists.vocabulary import Reason, list_vocabularies, load_vocabulary, save_vocabulary


@click.group()
def vocabulary() -> None:
    """List, show and add vocabularies of reasons.

    \b
    Example:
      rounds vocabulary list
    """


@vocabulary.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List the vocabularies that come with Rounds, and the project's own.

    \b
    Example:
      rounds vocabulary list
    """
    with project.database.read() as session:
        rows = [asdict(row) for row in list_vocabularies(session)]
    emit(rows, as_json, title="vocabularies")


@vocabulary.command()
@click.argument("name")
@json_option
@pass_project
def show(project: Project, name: str, as_json: bool) -> None:
    """Show the reasons of one vocabulary with their keys.

    \b
    Example:
      rounds vocabulary show brain_mr
    """
    with project.database.read() as session:
        reasons = load_vocabulary(session, name)
    emit(reasons, as_json, title=name)


@vocabulary.command()
@click.argument("name")
@click.option(
    "--reason", "reasons", multiple=True, required=True, metavar='CODE="TEXT"', help="A reason. Repeat it for several."
)
@json_option
@pass_project
def add(project: Project, name: str, reasons: tuple[str, ...], as_json: bool) -> None:
    """Add a vocabulary NAME to the project. Its reasons get the keys 1 to 9 in their order.

    \b
    Example:
      rounds vocabulary add knee_mr --reason motion="Motion" --reason metal="Metal artefact"
    """
    parsed = [_reason(number, text) for number, text in enumerate(reasons, 1)]
    with project.database.write() as session:
        saved = save_vocabulary(session, project.chain, now(), name, parsed)
    emit(saved, as_json, title=name)


def _reason(number: int, option: str) -> Reason:
    code, equals, text = option.partition("=")
    if not equals:
        raise BadInput(f'expected --reason CODE="TEXT"; got {option!r}.')
    return Reason(str(number), code.strip(), text.strip())
