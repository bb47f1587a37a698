"""`rounds backbone pretrain`: teach a backbone a project's own images."""

from pathlib import Path
from typing import Any

import click

from cli.backbone_option import backbone_option
from cli.numbers import LEARNING_RATE, SEED, STEPS
from cli.paths import LocalPath
from cli.snapshot_notes import warn_of_mixed_scales
from cli.terminal import (
    emit,
    emit_queued,
    find_project,
    json_option,
    now,
    progress_bar,
    queue_option,
    tell,
    this_command,
    use_torch_threads,
)
from curation.snapshots.build import open_snapshot
from curation.snapshots.folder import SnapshotFolder
from train.pretraining.objective_table import OBJECTIVES
from train.pretraining.recipes import AnyRecipe, make_recipe, read_recipe


@click.command()
@click.option("--snapshot", help="Use the training images of this snapshot of the project.")
@click.option(
    "--snapshot-folder",
    type=LocalPath(exists=True, file_okay=False, path_type=Path),
    help="Use a snapshot folder outside a project.",
)
@click.option("--objective", type=click.Choice(list(OBJECTIVES)), help="What the backbone learns.")
@backbone_option("Where it starts")
@click.option("--teacher", help="The backbone that feature-distillation learns from.")
@click.option(
    "--trainable", type=click.Choice(["lora", "full"]), help="Low-rank updates or all weights. Default: lora."
)
@click.option("--steps", type=STEPS, help="Optimiser steps. Default: 200.")
@click.option("--batch-size", type=click.IntRange(2, 65_536), help="Images a step. Default: 32.")
@click.option("--learning-rate", type=LEARNING_RATE, help="Default: depends on what trains.")
@click.option("--input-size", type=click.IntRange(8, 4_096), help="Side that images are fed at, in pixels.")
@click.option("--with-approved", is_flag=True, help="Also fit the approved synthetic images of the snapshot.")
@click.option("--seed", type=SEED, help="Default: 0.")
@click.option("--allow-unknown-provenance", is_flag=True, help="Use a backbone without a list of what it saw.")
@click.option(
    "--recipe",
    type=LocalPath(exists=True, path_type=Path),
    help="A JSON recipe, in place of the options above.",
)
@click.option("--from-nothing", is_flag=True, help="Start from random weights although images are few.")
@click.option("--out", type=LocalPath(path_type=Path), required=True, help="The directory of the new backbone.")
@click.option("--allow-affected", is_flag=True, help="Use what descends from a withdrawn subject.")
@queue_option("pretraining")
@json_option
@click.pass_context
def pretrain(
    ctx: click.Context,
    /,
    snapshot: str | None,
    snapshot_folder: Path | None,
    recipe: Path | None,
    out: Path,
    from_nothing: bool,
    allow_affected: bool,
    queue: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Pretrain a backbone on training images, and measure its frozen probe before and after.

    It starts from the weights of --backbone. A recipe without an objective is one of a small ViT from nothing, by
    masked autoencoding. If interrupted, run it again: it continues.

    \b
    Example:
      rounds backbone pretrain --snapshot first --backbone shipped --objective contrastive --out own
      rounds backbone pretrain --snapshot first --recipe hybrid.json --out own --queue
    """
    if (snapshot is None) == (snapshot_folder is None):
        raise click.UsageError("give either --snapshot NAME or --snapshot-folder DIRECTORY")
    if recipe is None and snapshot is not None and options["backbone"] is None:
        options["backbone"] = find_project(ctx).settings.train.backbone
    wanted = _choose_recipe(recipe, out, options)
    if queue:
        if snapshot is None:
            raise click.UsageError("--queue goes with --snapshot NAME: a worker has the snapshots of the project alone")
        from train.pretraining.request import PretrainRequest, queue_pretraining

        request = PretrainRequest(
            snapshot=snapshot,
            recipe=wanted,
            out=str(out.absolute()),
            allow_affected=allow_affected,
            from_nothing=from_nothing,
        )
        emit_queued(queue_pretraining(find_project(ctx), request, now()), {"backbone": str(out)}, as_json)
        return
    from train.fitting.timing import tell_estimate
    from train.pretraining.pretrain import pretrain_backbone
    from train.pretraining.report import describe_report, read_report

    folder = (
        SnapshotFolder.open(snapshot_folder) if snapshot_folder else open_snapshot(find_project(ctx), str(snapshot))
    )
    today = now().date().isoformat()
    warn_of_mixed_scales(folder)
    if snapshot is not None:
        use_torch_threads(find_project(ctx))
    with progress_bar("pretraining", quiet=as_json) as report:
        pretrain_backbone(
            folder,
            wanted,
            out,
            report,
            this_command(),
            today,
            allow_affected=allow_affected,
            from_nothing=from_nothing,
            on_estimate=tell_estimate("the pretraining", report, tell),
        )
    made = read_report(out)
    facts = {"directory": str(out), **made} if as_json else describe_report(made)
    if facts:
        emit(facts, as_json, title=f"backbone {out.name}")
    if not as_json:
        click.echo(f"{out}: use it with --backbone {out}")


def _choose_recipe(recipe: Path | None, out: Path, options: dict[str, Any]) -> AnyRecipe:
    """The recipe of a file, or the one that the options describe; raises UsageError for both or neither."""
    settings = {name: value for name, value in options.items() if value not in (None, False)}
    if recipe is None:
        if "objective" not in settings:
            raise click.UsageError("give --objective NAME, or --recipe FILE")
        return make_recipe(name=out.name, **settings)
    if settings:
        option = f"--{next(iter(settings)).replace('_', '-')}"
        raise click.UsageError(f"{option} does not go with --recipe: write it into the recipe")
    return read_recipe(recipe.read_bytes())
