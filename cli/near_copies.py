"""`rounds near-copies`: held-out images that look like a training image of another subject."""

from dataclasses import asdict
from typing import Any

import click

from cli.terminal import emit, json_option, now, pass_project, progress_bar
from curation.locks import one_import_at_a_time
from curation.near_copies.find import find_near_copies
from curation.near_copies.group import Bound, bind_subjects, find_alike_subjects
from curation.near_copies.on_record import (
    NOT_SEARCHED,
    count_near_copies,
    is_searched,
    list_near_copies,
    near_copies_note,
)
from curation.project import Project


@click.group("near-copies")
def near_copies() -> None:
    """Find held-out images that look like a training image of another subject, and bind such subjects.

    \b
    Example:
      rounds near-copies find
    """


@near_copies.command()
@json_option
@pass_project
def find(project: Project, as_json: bool) -> None:
    """Compare validation and test images with the images that may be trained on.

    Every import does this for what it adds. In projects of earlier versions this command does it once. What was
    compared is not compared again.

    \b
    Example:
      rounds near-copies find
    """
    with one_import_at_a_time(project), progress_bar("comparing", quiet=as_json) as report:
        find_near_copies(project, now(), report)
    _print_counts(project, as_json, {})


@near_copies.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List held-out images that look like an image of another subject, with that image and their correlation.

    \b
    Example:
      rounds near-copies list --json
    """
    with project.database.read() as session:
        rows, searched = [asdict(row) for row in list_near_copies(session)], is_searched(session)
    emit(rows, as_json, title="near copies")
    if not searched and not as_json:
        click.echo(f"note: {NOT_SEARCHED}")


@near_copies.command()
@json_option
@pass_project
def group(project: Project, as_json: bool) -> None:
    """Bind subjects whose images look like copies of each other into one subject, in one split.

    A group that stands in several splits goes to the first of train, validation, test and reserve. Subjects that a
    snapshot, a worklist, a pair list or a generator has used are left as they are, and counted. The old keys lead to
    the bound subject. It cannot be undone; the event `subjects.bound` records it.

    \b
    Example:
      rounds near-copies group
    """
    with one_import_at_a_time(project), progress_bar("comparing", quiet=as_json) as report:
        bound = bind_subjects(project, now(), find_alike_subjects(project, report), across_splits=True)
        find_near_copies(project, now(), report)
    _print_counts(project, as_json, _bound_facts(bound))


def _bound_facts(bound: Bound) -> dict[str, Any]:
    """What was bound; groups that a snapshot, worklist, pair list or generator uses are left as they are."""
    return {
        "bound": f"{bound.subjects} subjects into {bound.groups}",
        "changed split": dict(bound.moved) or None,
        "same image twice": bound.twice,
        "groups in use": f"{bound.in_use}, left as they are" if bound.in_use else 0,
    }


def _print_counts(project: Project, as_json: bool, facts: dict[str, Any]) -> None:
    with project.database.read() as session:
        counts, note = count_near_copies(session), near_copies_note(session)
    by_split = {count.split.value: f"{count.near_copies} of {count.images}" for count in counts}
    emit(facts | {"look like a training image": by_split}, as_json)
    if note and not as_json:
        click.echo(f"note: {note}")
