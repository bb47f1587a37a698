"""`rounds backbone distil`: a small network learns a teacher's features."""

import json
from pathlib import Path

import click

from cli.paths import LocalPath
from cli.snapshot_notes import warn_of_mixed_scales
from cli.terminal import (
    emit,
    emit_queued,
    find_project,
    json_option,
    now,
    progress_bar,
    project_root,
    queue_option,
    tell,
    this_command,
    use_torch_threads,
)
from curation.provenance.public_web import OVERLAP
from curation.snapshots.build import open_snapshot
from curation.snapshots.folder import SnapshotFolder
from train.backbones.names import absolute_location, backbone_location


@click.command()
@click.option("--teacher", required=True, help="A name from `rounds backbone list`, a Hugging Face id or a directory.")
@click.option("--snapshot", help="Use the real training images of this snapshot of the project.")
@click.option(
    "--snapshot-folder",
    type=LocalPath(exists=True, file_okay=False, path_type=Path),
    help="Use a snapshot folder outside a project.",
)
@click.option("--recipe", type=LocalPath(exists=True, path_type=Path), required=True, help="A JSON recipe.")
@click.option("--out", type=LocalPath(path_type=Path), required=True, help="The directory of the new backbone.")
@click.option("--name", help="Add the result to the project under this name, as `rounds backbone add` does.")
@click.option(
    "--allow-unknown-provenance", is_flag=True, help="Use a teacher without a list of what it saw. The card says so."
)
@click.option("--allow-affected", is_flag=True, help="Use what descends from a withdrawn subject.")
@queue_option("distilling")
@json_option
@click.pass_context
def distil(
    ctx: click.Context,
    teacher: str,
    snapshot: str | None,
    snapshot_folder: Path | None,
    recipe: Path,
    out: Path,
    name: str | None,
    allow_unknown_provenance: bool,
    allow_affected: bool,
    queue: bool,
    as_json: bool,
) -> None:
    """Let a small network learn the features of TEACHER on training subjects; labels are not read.

    If interrupted, run it again: it continues. The features of the teacher are computed once.

    \b
    Example:
      rounds backbone distil --teacher dinov2-small --snapshot first --recipe small.json --out small
      rounds backbone distil --teacher dinov2-small --snapshot first --recipe small.json --out small --name small
    """
    from train.backbones.add import AddRequest, add_backbone, refuse_taken_name
    from train.distillation.distil import distil_backbone
    from train.distillation.recipe import DistilRecipe
    from train.distillation.request import DistilRequest, queue_distillation
    from train.fitting.timing import tell_estimate

    if (snapshot is None) == (snapshot_folder is None):
        raise click.UsageError("give either --snapshot NAME or --snapshot-folder DIRECTORY")
    if queue and snapshot is None:
        raise click.UsageError("--queue goes with --snapshot NAME: a worker has the snapshots of the project alone")
    parsed = DistilRecipe.parse(recipe.read_bytes())
    project = find_project(ctx) if snapshot or name else None
    wanted = AddRequest(str(out.absolute()), name)
    if project and name:
        refuse_taken_name(project, wanted)
    allowed = {"allow_unknown_provenance": allow_unknown_provenance, "allow_affected": allow_affected}
    if queue and project:
        location = absolute_location(teacher, project.root)
        request = DistilRequest(
            snapshot=str(snapshot), teacher=location, recipe=parsed, out=wanted.source, name=name, **allowed
        )
        emit_queued(queue_distillation(project, request, now()), {"backbone": name or str(out)}, as_json)
        return
    folder = (
        SnapshotFolder.open(snapshot_folder) if snapshot_folder else open_snapshot(find_project(ctx), str(snapshot))
    )
    warn_of_mixed_scales(folder)
    if project:
        use_torch_threads(project)
    location, today = backbone_location(teacher, project_root(ctx)), now().date().isoformat()
    with progress_bar("distilling", quiet=as_json) as report:
        say = tell_estimate("the distillation", report, tell)
        distil_backbone(folder, location, parsed, out, report, this_command(), today, on_estimate=say, **allowed)
    if project and name:
        add_backbone(project, now(), wanted, tell)
        project.anchor()
    _tell_result(out, name, as_json)


def _tell_result(out: Path, name: str | None, as_json: bool) -> None:
    """Print what the card says of the fit."""
    card = json.loads((out / "card.json").read_text())
    unknown, public_web = (card["fitted_on"].get(kind) for kind in ("unknown", "public_web"))
    facts = {
        "backbone": name or str(out),
        "digest": card["digest"],
        "teacher": card["teacher"]["name"],
        "explained": round(card["metrics"]["explained"], 4),
        "held out loss": round(card["metrics"]["held_out_loss"], 4),
        "images": card["fitted_on"]["n_images"],
        **({"UNKNOWN PROVENANCE": unknown} if unknown else {}),
        **({"public web": f"{', '.join(public_web)}; {OVERLAP}"} if public_web else {}),
        **({"withdrawals": card["affected"]} if card["affected"] else {}),
    }
    emit(facts, as_json, title=f"backbone {name or out.name}")
    if not as_json:
        click.echo("explained: share of the variance of the teacher's features, on training images kept from the fit")
        click.echo(f"use it with --backbone {name or out}")
