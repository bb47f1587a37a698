"""`rounds bakeoff`: every way to adapt, side by side on one snapshot."""

from pathlib import Path
from typing import Any

import click

from cli.backbone_option import backbone_option
from cli.numbers import STEPS
from cli.paths import LocalPath
from cli.terminal import emit, json_option, now, pass_project, progress_bar, tell, use_torch_threads
from curation.project import Project

SHOWN = 4  # columns that a terminal of 80 characters takes; the files have all


@click.command()
@click.argument("folder", type=LocalPath(path_type=Path, file_okay=False))
@click.option("--new", is_flag=True, help="Write FOLDER, with a file for every adaptation that fits, and run nothing.")
@click.option("--snapshot", help="The name of the snapshot. With --new it is kept; else it is taken this time.")
@backbone_option("The backbone to adapt")
@click.option("--steps", type=STEPS, help="With --new: optimiser steps, the same for all. Default: 200.")
@click.option("--batch-size", type=click.IntRange(1, 65_536), help="With --new: images in a step. Default: 16.")
@click.option("--seeds", type=click.IntRange(1, 1_000), help="With --new: how many seeds for each. Default: 2.")
@click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="The subjects that figures are of. Test subjects are opened only by `--split test`, and that is recorded.",
)
@click.option("--allow-unknown-provenance", is_flag=True, help="Use a backbone without a list of what it saw.")
@click.option("--allow-affected", is_flag=True, help="Use what descends from a withdrawn subject. The table says so.")
@json_option
@pass_project
def bakeoff(
    project: Project,
    /,
    folder: Path,
    new: bool,
    snapshot: str | None,
    backbone: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare the contestants in FOLDER on one snapshot: ways to adapt a backbone, and controls they must beat.

    FOLDER holds bakeoff.toml, with what all get, and one file for each contestant with its differences. What is missing
    is run, with a JSON of results each; killed and called again it goes on. A contestant that fails is listed with its
    reason. The table is written as Markdown and CSV, with a plot of AUROC against the share of weights that train.
    No run is kept: `rounds train` makes one with the settings that win.

    \b
    Example:
      rounds bakeoff bake --new --snapshot first
      rounds bakeoff bake
      rounds bakeoff bake --split test
    """
    budget = {name: options.pop(name) for name in ("steps", "batch_size", "seeds")}
    use_torch_threads(project)
    if new:
        if snapshot is None:
            raise click.UsageError("--new needs --snapshot NAME")
        _begin(project, folder, {"snapshot": snapshot, "backbone": backbone, **budget}, as_json)
        return
    if any(value is not None for value in budget.values()):
        raise click.UsageError("--steps, --batch-size and --seeds go with --new; later they stand in bakeoff.toml")
    from train.bakeoff.conduct import conduct_bakeoff
    from train.bakeoff.contestants import read_plan
    from train.bakeoff.plan import BakeoffRequest
    from train.bakeoff.report import HEAD, cells, describe

    plan = read_plan(folder, snapshot=snapshot, backbone=backbone)
    request = BakeoffRequest.checked(**options)
    with progress_bar(f"bake-off {folder.name}", quiet=as_json) as report:
        result, out = conduct_bakeoff(project, folder, plan, request, report, now, say=tell)
    if as_json:
        emit(result, as_json)
        return
    shown = [{name: cells(row)[name].strip("`") for name in HEAD[:SHOWN]} for row in result["contestants"]]
    emit(shown, as_json, title=f"bake-off on {plan.snapshot}, {request.split}")
    for row in (row for row in result["contestants"] if "failed" in row):
        click.echo(f"{row['name']} failed: {row['failed']}")
    click.echo(f"{describe(result)}\ntable and plot: {out}")


def _begin(project: Project, folder: Path, chosen: dict[str, Any], as_json: bool) -> None:
    """Write a new folder for a snapshot that there is."""
    from curation.snapshots.build import open_snapshot
    from train.backbones.load import Backbone
    from train.backbones.names import backbone_of_project
    from train.bakeoff.new_folder import write_new_folder
    from train.bakeoff.plan import BakeoffPlan

    chosen["backbone"] = chosen["backbone"] or project.settings.train.backbone
    if chosen["seeds"] is not None:
        chosen["seeds"] = tuple(range(chosen["seeds"]))
    plan = BakeoffPlan.checked(**{name: value for name, value in chosen.items() if value is not None})
    open_snapshot(project, plan.snapshot)
    left_out = write_new_folder(folder, plan, Backbone.load(backbone_of_project(project, plan.backbone)))
    files = sorted(path.stem for path in folder.glob("*.toml") if path.name != "bakeoff.toml")
    facts = {"folder": str(folder), "contestants": files}
    emit({**facts, "left_out": left_out} if as_json else {**facts, "do not fit the backbone": [*left_out]}, as_json)
    if not as_json:
        click.echo(f"run it: rounds bakeoff {folder}")
