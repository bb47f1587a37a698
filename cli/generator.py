"""`rounds generator`: fit, add, list, show and remove generators."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.canaries import canaries
from cli.generator_recipe import recipe as recipe_command
from cli.paths import LocalPath
from cli.removal import remove_command
from cli.resume import refuse_beside_resume, resume_option
from cli.snapshot_notes import warn_of_mixed_scales
from cli.terminal import (
    emit,
    emit_queued,
    find_project,
    json_option,
    now,
    pass_project,
    progress_bar,
    queue_option,
    tell,
    this_command,
    use_torch_threads,
)
from curation.lineage.graph import NodeKind
from curation.project import Project
from curation.provenance.withdrawn import affected_note, affected_notes
from curation.removal.unfinished import find_unfinished_fit, list_unfinished_fits
from curation.snapshots.build import open_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.status import state_of_fit
from curation.tables.withdrawals import AffectedKind

if TYPE_CHECKING:
    from generate.latent_flow.recipe import FitRecipe


@click.group()
def generator() -> None:
    """Fit, add, list and show diffusion generators.

    \b
    Example:
      rounds generator add shipped
    """


@generator.command()
@click.argument("source")
@click.option("--name", help="Its name in the project. Default: the name on its card.")
@pass_project
def add(project: Project, source: str, name: str | None) -> None:
    """Add the generator in the directory SOURCE, or the one that comes with Rounds (`shipped`).

    \b
    Example:
      rounds generator add shipped
    """
    from generate.registry import add_generator

    added = add_generator(project, now(), source, name)
    click.echo(f"generator {added.name}: generates {', '.join(added.card['classes'])}")
    if added.card.get("notice"):
        click.echo(added.card["notice"])


generator.add_command(canaries)
generator.add_command(recipe_command)
generator.add_command(remove_command(NodeKind.GENERATOR))


@generator.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List the project's generators, and fits that have not finished: running, queued or interrupted.

    `rounds generator fit --resume NAME` continues an interrupted fit.

    \b
    Example:
      rounds generator list
    """
    from generate.registry import list_generators

    with project.database.read() as session:
        notes = affected_notes(session, AffectedKind.GENERATOR)
        rows = [
            {
                "name": row.name,
                "status": "ready",
                "classes": row.card["classes"],
                "fitted on": f"{row.card['fitted_on']['n_images']} images, {row.card['fitted_on']['snapshot']}",
                "weights": row.weights_digest[:12],
                "added": row.created_at,
                "withdrawals": notes.get(row.id),
            }
            for row in list_generators(session)
        ]
        columns = ("name", "status", "classes", "fitted on", "weights", "added", "withdrawals")
        rows += [
            dict.fromkeys(columns)
            | {
                "name": fit.name,
                "status": state_of_fit(session, project, now(), fit.name),
                "fitted on": f"not finished, on {fit.snapshot}",
            }
            for fit in list_unfinished_fits(session, project.root)
        ]
    emit(rows, as_json, title="generators")


@generator.command()
@click.argument("name")
@json_option
@pass_project
def show(project: Project, name: str, as_json: bool) -> None:
    """Show a generator's card: what it was fitted on, how, and how well.

    \b
    Example:
      rounds generator show virtual-brains-flow
    """
    from generate.registry import describe_generator, find_generator

    with project.database.read() as session:
        generator = find_generator(session, name)
        note = affected_note(session, AffectedKind.GENERATOR, generator.id)
        facts = describe_generator(generator) | ({"withdrawals": note} if note else {})
    emit(facts, as_json, title=f"generator {name}")


@generator.command()
@click.option("--snapshot", help="Fit on the real training images of this snapshot of the project.")
@click.option(
    "--snapshot-folder",
    type=LocalPath(exists=True, file_okay=False, path_type=Path),
    help="Fit on a snapshot folder outside a project.",
)
@click.option(
    "--recipe", type=LocalPath(exists=True, path_type=Path), help="A JSON recipe. Default: the values of `FitRecipe`."
)
@click.option("--name", help="The name of the generator; required with --snapshot.")
@resume_option("fit")
@click.option(
    "--out", type=LocalPath(path_type=Path), help="With --snapshot-folder: the directory of the new generator."
)
@click.option(
    "--autoencoder-from",
    metavar="GENERATOR",
    help="Take over the autoencoder of this generator of the project and fit the flow alone. What it saw counts as "
    "seen. With --snapshot-folder: the directory of a generator, or `shipped`.",
)
@click.option("--allow-affected", is_flag=True, help="Fit a snapshot that descends from a withdrawn subject.")
@queue_option("fitting")
@click.pass_context
def fit(
    ctx: click.Context,
    snapshot: str | None,
    snapshot_folder: Path | None,
    recipe: Path | None,
    name: str | None,
    resume: str | None,
    out: Path | None,
    autoencoder_from: str | None,
    allow_affected: bool,
    queue: bool,
) -> None:
    """Fit a latent flow generator: first its autoencoder, then the flow. If interrupted, run it again: it continues.

    \b
    Example:
      rounds generator fit --snapshot first --name mine
      rounds generator fit --resume mine
    """
    from generate.fit_request import FitRequest, queue_fit
    from generate.latent_flow.recipe import FitRecipe

    if resume is not None:
        refuse_beside_resume("allow_affected", "queue")
        here = find_project(ctx)
        with here.database.read() as session:
            interrupted = find_unfinished_fit(session, here.root, resume)
        snapshot, name, recipe = interrupted.snapshot, resume, interrupted.recipe_path
        autoencoder_from = interrupted.autoencoder_from
    fit_recipe = FitRecipe.read(recipe) if recipe else FitRecipe()
    if (snapshot is None) == (snapshot_folder is None):
        raise click.UsageError("give either --snapshot NAME or --snapshot-folder DIRECTORY")
    if snapshot_folder is not None:
        if out is None or queue:
            raise click.UsageError("--snapshot-folder goes with --out DIRECTORY, and without --queue")
        folder = SnapshotFolder.open(snapshot_folder)
        _fit_folder(folder, fit_recipe, out, name or out.name, allow_affected, autoencoder_from)
        return
    if name is None or snapshot is None:
        raise click.UsageError("--snapshot goes with --name NAME")
    project = find_project(ctx)
    warn_of_mixed_scales(open_snapshot(project, snapshot))
    request = FitRequest.checked(
        snapshot=snapshot,
        name=name,
        recipe=fit_recipe,
        allow_affected=allow_affected,
        autoencoder_from=autoencoder_from,
    )
    if queue:
        emit_queued(queue_fit(project, request, now()), {"generator": name}, as_json=False)
        return
    from generate.fit_job import fit_in_project

    use_torch_threads(project)
    with progress_bar("fitting") as report:
        fit_in_project(project, request, report, now, this_command(), say=tell)
    click.echo(f"{project.root / 'generators' / name}: the grids in it show how the fit went")
    click.echo(f"generator {name} is ready: rounds generate --generator {name} --help")


def _fit_folder(
    folder: SnapshotFolder,
    recipe: "FitRecipe",
    out: Path,
    name: str,
    allow_affected: bool,
    autoencoder_from: str | None,
) -> None:
    """Fit outside any project; nothing is registered."""
    from generate.fit_job import make_fit_reporter
    from generate.latent_flow.autoencoder_source import AutoencoderSource
    from generate.latent_flow.fit import check_networks, fit_generator
    from generate.latent_flow.timing import estimate_fit
    from generate.registry import SHIPPED
    from train.fitting.device import choose_device
    from train.fitting.timing import tell_estimate

    warn_of_mixed_scales(folder)
    check_networks(folder, recipe)
    source = None
    if autoencoder_from is not None:
        source = AutoencoderSource.read(SHIPPED if autoencoder_from == "shipped" else Path(autoencoder_from))
        source.refuse_other_images(folder)
    options: dict[str, Any] = {"device": choose_device(), "allow_affected": allow_affected, "autoencoder_from": source}
    options |= {"name": name, "made_by": this_command(), "date": now().date().isoformat()}
    with progress_bar("fitting") as report:
        if not (out / "card.json").is_file():
            estimate = estimate_fit(folder, recipe, options["device"], flow_only=source is not None)
            tell_estimate("the fit", report, tell)(estimate)
        shown = make_fit_reporter(report)
        fit_generator(folder, recipe, out, shown, **options)
    click.echo(f"{out}: the grids in it show how the fit went")
