"""`rounds pseudonym`: look up the subject key of a patient."""

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
    """Look up the subject key and the split of a patient. It needs the secrets of the project.

    The command asks for a patient id, or reads ids from standard input, one a line, since an id among the arguments
    would stay in the shell's history. Ids are not printed. The output has the order of the input.

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
    emit([{"subject": key, "split": splits[key] or "not in this project"} for key in keys], as_json)
