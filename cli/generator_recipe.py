"""`rounds generator recipe`: write a recipe that fits into so many hours on this machine."""

from dataclasses import asdict
from pathlib import Path

import click

from cli.numbers import Real
from cli.paths import LocalPath
from cli.terminal import emit, json_option, pass_project, progress_bar, use_torch_threads
from curation.errors import Conflict
from curation.files import whole_file
from curation.project import Project
from curation.snapshots.build import open_snapshot


@click.command()
@click.option("--for", "snapshot", required=True, help="The name of the snapshot; `rounds snapshot list` shows them.")
@click.option("--hours", type=Real(0, 10_000, min_open=True), required=True, help="How long the fit may take.")
@click.option(
    "--out",
    type=LocalPath(dir_okay=False, path_type=Path),
    default=Path("recipe.json"),
    show_default=True,
    help="The file to write.",
)
@json_option
@pass_project
def recipe(project: Project, snapshot: str, hours: float, out: Path, as_json: bool) -> None:
    """Write a recipe for `rounds generator fit`: the largest networks that learn enough in the time.

    A few steps of the real networks are timed on this machine, so run it where the fit will run, with nothing else
    running. The reasons are printed beside the recipe; change it as you like.

    \b
    Example:
      rounds generator recipe --for first --hours 8 --out recipe.json
      rounds generator fit --snapshot first --name mine --recipe recipe.json
    """
    from generate.latent_flow.suggest import suggest_recipe
    from train.fitting.device import choose_device

    if out.exists():
        raise Conflict(f"{out} exists already. Give another --out; nothing is overwritten.")
    use_torch_threads(project)
    folder = open_snapshot(project, snapshot)
    with progress_bar("timing steps", quiet=True):
        suggestion = suggest_recipe(folder, hours, choose_device())
    with whole_file(out) as partial:
        partial.write_text(suggestion.recipe.model_dump_json(indent=1) + "\n")
    estimate = suggestion.estimate
    if as_json:
        phases = [asdict(phase) | {"total_s": phase.total_s} for phase in estimate.phases]
        facts = {"recipe": suggestion.recipe.model_dump(mode="json"), "reasons": suggestion.reasons, "file": str(out)}
        timing = {"device": estimate.device, "total_s": estimate.total_s, "phases": phases}
        emit({**facts, "estimate": timing, "warning": suggestion.warning}, as_json)
        return
    for reason in suggestion.reasons:
        click.echo(f"- {reason}")
    click.echo(f"{out}: {estimate.words()}")
    if suggestion.warning:
        click.secho(suggestion.warning, fg="yellow", err=True)
