"""`rounds snapshot`: build, compare, verify and export immutable dataset versions."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.mix_options import mix_options, recipe_of
from cli.numbers import IMAGES
from cli.paths import LocalPath
from cli.removal import remove_command
from cli.snapshot_notes import near_copies_of_folder
from cli.snapshot_tables import readings_line, show_diff, show_preview
from cli.terminal import emit, json_option, now, pass_project, progress_bar, with_readable_keys
from curation.errors import Damaged
from curation.lineage.graph import NodeKind
from curation.locks import is_being_made
from curation.project import Project
from curation.provenance.tombstones import NOTE
from curation.snapshots.build import build_snapshot, find_snapshot, open_snapshot
from curation.snapshots.diff import diff_snapshots
from curation.snapshots.folder import SnapshotFolder, export_folder
from curation.snapshots.mix import MixRecipe
from curation.snapshots.preview import preview_snapshot
from curation.snapshots.stale import list_snapshots, stale_line, why_stale
from curation.verification.snapshot_folders import verify_folder


@click.group()
def snapshot() -> None:
    """Preview, build, compare, verify and export immutable dataset versions.

    \b
    Example:
      rounds snapshot build first --synthetic approved --max-ratio 1
    """


snapshot.add_command(remove_command(NodeKind.SNAPSHOT))


@snapshot.command()
@click.argument("name")
@mix_options
@json_option
@pass_project
def build(project: Project, /, name: str, as_json: bool, **options: Any) -> None:
    """Freeze a mix of real and synthetic images under NAME.

    `approved` takes what readers accepted, `raw` all images, `random` as many as were approved, chosen at random,
    `none` real images only. Validation and test subjects are always real.

    \b
    Example:
      rounds snapshot build first --synthetic approved --max-ratio 1
    """
    with progress_bar("writing snapshot", quiet=as_json) as report:
        folder = build_snapshot(project, name, recipe_of(**options), now(), report)
    emit(_facts(folder), as_json, title=f"snapshot {name}")


@snapshot.command()
@mix_options
@click.option(
    "--target",
    type=IMAGES,
    help="How many training images each class should have. Default: as many as the largest class.",
)
@json_option
@pass_project
def preview(project: Project, /, target: int | None, as_json: bool, **options: Any) -> None:
    """Show what a build would give and what would stop it. Nothing is written.

    \b
    Example:
      rounds snapshot preview --max-ratio 1 --balance cap --min-agreement 0.75
    """
    with progress_bar("choosing", quiet=as_json), project.database.read() as session:
        preview = preview_snapshot(session, recipe_of(**options), target)
    if as_json:
        emit(asdict(preview), as_json)
    else:
        show_preview(preview)


@snapshot.command()
@click.argument("first")
@click.argument("second")
@click.option(
    "--examples",
    type=click.IntRange(0, 10_000),
    default=10,
    show_default=True,
    help="How many images to list of each kind of change.",
)
@json_option
@pass_project
def diff(project: Project, first: str, second: str, examples: int, as_json: bool) -> None:
    """Show what changed from snapshot FIRST to SECOND: images, labels, weights, splits, recipes.

    \b
    Example:
      rounds snapshot diff first second
    """
    with project.database.read() as session:
        both = find_snapshot(session, first), find_snapshot(session, second)
        difference = diff_snapshots(session, *both, examples)
        stale = {snapshot.name: why for snapshot in both if (why := why_stale(session, snapshot))}
    if as_json:
        emit(asdict(difference) | {"stale": stale}, as_json)
        return
    show_diff(difference, first, second)
    for name, why in stale.items():
        click.secho(stale_line(name, why), fg="yellow")


@snapshot.command()
@click.argument("name")
@json_option
@pass_project
def show(project: Project, name: str, as_json: bool) -> None:
    """Show what snapshot NAME holds, which readings it rests on, and whether it is stale.

    \b
    Example:
      rounds snapshot show first
    """
    folder = open_snapshot(project, name)
    with project.database.read() as session:
        why = why_stale(session, find_snapshot(session, name))
    recipe = folder.manifest["recipe"]
    if not as_json:
        default = MixRecipe().model_dump(mode="json")
        recipe = {key: value for key, value in recipe.items() if value != default.get(key)} or "as it comes"
    emit(_facts(folder) | {"stale": why or "no", "recipe": recipe}, as_json, title=f"snapshot {name}")


@snapshot.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List snapshots, with the readings they rest on and whether later readings made them stale.

    \b
    Example:
      rounds snapshot list
    """
    with project.database.read() as session:
        summaries = list_snapshots(session)
    rows = [asdict(summary) for summary in summaries]
    for row in rows:
        if row["status"] == "unfinished":
            row["status"] = "running" if is_being_made(project, "snapshot", row["name"]) else "interrupted"
    emit(rows if as_json else with_readable_keys(rows), as_json, title="snapshots")


@snapshot.command()
@click.argument("name")
@json_option
@pass_project
def verify(project: Project, name: str, as_json: bool) -> None:
    """Check every file and row of a snapshot against its digests.

    \b
    Example:
      rounds snapshot verify first
    """
    folder = open_snapshot(project, name)
    with progress_bar("verifying", quiet=as_json) as report:
        faults = verify_folder(folder, report)
    facts = {"snapshot": name, "digest": folder.digest, "faults": faults if as_json else faults or "none"}
    if folder.affected:
        purged = len(folder.tombstones.purged)
        facts |= {"withdrawals": folder.affected, "withdrawn": f"{len(folder.tombstones.files)} rows, {purged} purged"}
    emit(facts, as_json)
    if faults:
        raise Damaged(
            f"snapshot {name!r} has {len(faults)} faults. Restore it from a backup, or build it again by another name."
        )


@snapshot.command()
@click.argument("name")
@click.argument("target", type=LocalPath(path_type=Path))
@pass_project
def export(project: Project, name: str, target: Path) -> None:
    """Copy a snapshot to the new directory TARGET, in the Hugging Face imagefolder layout.

    \b
    Example:
      rounds snapshot export first ~/first
    """
    folder = open_snapshot(project, name)
    with progress_bar(f"exporting {name}", quiet=True):
        export_folder(folder, target)
    for line in folder.affected:
        click.echo(f"{line}: {NOTE} in it says which images")
    click.echo(f'{target}: open it with datasets.load_dataset("imagefolder", data_dir="{target}")')


def _facts(folder: SnapshotFolder) -> dict[str, Any]:
    return {
        "digest": folder.digest,
        "folder": str(folder.path),
        **folder.manifest["counts"],
        "readings": readings_line(folder.lineage["readings"]),
        "approved by": folder.manifest.get("approved_by"),
        "left out": folder.manifest.get("left_out"),
        "subjects": folder.subjects,
        "near copies": [near_copies_of_folder(folder, split) for split in ("validation", "test")],
        "notice": folder.notice,
        **({"scales": folder.mixed_scales} if folder.mixed_scales else {}),
        **({"withdrawals": folder.affected} if folder.affected else {}),
    }
