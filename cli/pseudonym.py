"""`rounds pseudonym`: under which key a patient's images stand in this project."""

import sys

import click

from cli.terminal import emit, json_option, pass_project
from curation.errors import BadInput
from curation.ingest.pseudonyms import Pseudonyms, find_splits
from curation.project import Project


@click.command()
@json_option
@pass_project
def pseudonym(project: Project, as_json: bool) -> None:
    """Say under which subject key a patient stands here, and in which split, for those who hold the project's secrets.

    Patient ids are asked for, or read from standard input, one a line: an id in the command would stay in the shell's
    history. They are not printed again; the order is that of the input.

    \b
    Example:
      rounds pseudonym < ids.txt
    """
    names = Pseudonyms.of(project)
    ids = [click.prompt("Patient id", hide_input=True)] if sys.stdin.isatty() else sys.stdin.read().splitlines()
    keys = [names.subject(published) for published in ids if published.strip()]
    if not keys:
        raise BadInput("expected patient ids on standard input, one a line; there were none.")
    with project.database.read() as session:
        splits = find_splits(session, keys)
    rows = [{"subject": key, "split": splits[key] or "not in this project"} for key in keys]
    emit(rows, as_json)
