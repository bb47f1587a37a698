"""`rounds worklist`: make and run worklists, the lists of images that people read."""

from dataclasses import asdict
from typing import Any

import click

from cli.terminal import emit, json_option, now, pass_project, progress_bar, with_readable_keys
from cli.worklist_options import RULES, recipe_from, recipe_options
from curation.project import Project
from curation.reading.worklist import find_worklist
from curation.tables.reading import Purpose
from curation.worklists.create import close_worklist, create_worklist
from curation.worklists.manage import change_rule, pause_worklist, release_leases, resume_worklist, set_readers
from curation.worklists.plant import plant_for_worklist
from curation.worklists.summaries import count_items, list_worklists_anew

NOTHING_TO_AUDIT = "0: screening blocked none but near copies, which no reader sees"


@click.group()
def worklist() -> None:
    """Make, run, list and close worklists.

    \b
    Example:
      rounds worklist create first
    """


@worklist.command()
@click.argument("name")
@click.option(
    "--evidence",
    is_flag=True,
    help="A reader study: label-blind, 2 readers, unanimous, random order, no grid, 50 real and 50 defect controls, "
    "10 % repeats, 20 practice images. Other options override it.",
)
@recipe_options
@json_option
@pass_project
def create(project: Project, /, name: str, as_json: bool, **options: Any) -> None:
    """Make a worklist NAME of screened candidates that have no outcome yet.

    Defaults stand in brackets. Defects for controls are planted in real validation images, those for practice in
    training images.

    \b
    Example:
      rounds worklist create first --vocabulary brain_mr --real-controls 10
      rounds worklist create study --evidence --rule adjudicated --reader anna --reader ben
      rounds worklist create alike --turing --real-controls 100 --margin 0.6
    """
    recipe = recipe_from(name, **options)
    with progress_bar("planting defects", quiet=as_json) as report:
        planted = plant_for_worklist(project.database, project.store, project.chain, now(), recipe, report)
    with project.database.write() as session:
        made = create_worklist(session, project.chain, now(), recipe)
        audits = count_items(session, made.id, Purpose.GATE_AUDIT)
    facts = {
        "worklist": made.name,
        "images": made.size,
        "controls": made.controls,
        **({"blocked images to audit": audits or NOTHING_TO_AUDIT} if recipe.gate_audit_share else {}),
        "practice": recipe.practice,
        "defects planted": planted or None,
        "question": made.question.replace("{label}", "its class"),
        "notice": made.notice,
    }
    emit(facts, as_json)


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
        rows = [asdict(summary) for summary in list_worklists_anew(session)]
    emit(rows if as_json else with_readable_keys(rows), as_json, title="worklists")


@worklist.command()
@click.argument("name")
@pass_project
def pause(project: Project, name: str) -> None:
    """Assign no more images of a worklist until it is resumed.

    \b
    Example:
      rounds worklist pause first
    """
    with project.database.write() as session:
        pause_worklist(session, project.chain, now(), name)
    click.echo(f"{name}: paused; what is on readers' screens is still saved")


@worklist.command()
@click.argument("name")
@pass_project
def resume(project: Project, name: str) -> None:
    """Continue a paused worklist.

    \b
    Example:
      rounds worklist resume first
    """
    with project.database.write() as session:
        resume_worklist(session, project.chain, now(), name)
    click.echo(f"{name}: open")


@worklist.command()
@click.argument("name")
@click.option("--reader", help="Release the images of this reader. Default: of everyone.")
@pass_project
def reassign(project: Project, name: str, reader: str | None) -> None:
    """Release images that are assigned but not read, so that others can read them.

    \b
    Example:
      rounds worklist reassign first --reader anna
    """
    with project.database.write() as session:
        released = release_leases(session, project.chain, now(), name, reader)
    click.echo(f"{name}: {released} images given back")


@worklist.command()
@click.argument("name")
@click.option("--reader", "readers", multiple=True, help="A reader. Repeat it for several.")
@click.option("--everyone", is_flag=True, help="Open it to every reader.")
@pass_project
def readers(project: Project, name: str, readers: tuple[str, ...], everyone: bool) -> None:
    """Set who may read a worklist from now on.

    \b
    Example:
      rounds worklist readers first --reader anna --reader ben
    """
    if bool(readers) == everyone:
        raise click.UsageError("name readers with --reader, or say --everyone.")
    with project.database.write() as session:
        set_readers(session, project.chain, now(), name, readers)
    click.echo(f"{name}: read by {', '.join(readers) or 'every reader'}")


@worklist.command()
@click.argument("name")
@click.argument("kind", type=click.Choice(RULES))
@click.option("--readers-per-image", type=click.IntRange(1, 5), help="Default: as many as before.")
@json_option
@pass_project
def rule(project: Project, name: str, kind: str, readers_per_image: int | None, as_json: bool) -> None:
    """Work out outcomes by another rule KIND. No reading changes.

    \b
    Example:
      rounds worklist rule first majority --readers-per-image 3
    """
    with project.database.write() as session:
        before = find_worklist(session, name).readers_per_image
        counts = change_rule(session, project.chain, now(), name, kind, readers_per_image or before)
    emit({"worklist": name, "rule": kind, "outcomes": counts or None}, as_json)


@worklist.command()
@click.argument("name")
@pass_project
def close(project: Project, name: str) -> None:
    """Close a worklist. Its readings stay.

    \b
    Example:
      rounds worklist close first
    """
    with project.database.write() as session:
        counts = close_worklist(session, project.chain, now(), name)
    project.anchor()
    click.echo(f"{name}: closed; outcomes: {counts or 'none'}")
