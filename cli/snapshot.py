"""`rounds snapshot`: immutable dataset versions."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import click

from cli.terminal import emit, json_option, now, pass_project, progress_bar
from curation.errors import Damaged
from curation.project import Project
from curation.snapshots.build import build_snapshot, find_snapshot, list_snapshots
from curation.snapshots.folder import SnapshotFolder, export_folder, verify_folder
from curation.snapshots.mix import MixRecipe
from curation.snapshots.tombstones import NOTE


@click.group()
def snapshot() -> None:
    """Build, list, verify and export immutable dataset versions.

    \b
    Example:
      rounds snapshot build first --synthetic approved --max-ratio 1
    """


@snapshot.command()
@click.argument("name")
@click.option(
    "--synthetic", type=click.Choice(["approved", "raw", "random", "none"]), default="approved", show_default=True
)
@click.option("--extra-real", type=click.Choice(["none", "duplicated", "reserve"]), default="none", show_default=True)
@click.option("--max-ratio", type=float, help="Synthetic images per real training image, at most.")
@click.option("--real-per-class", type=int, help="Keep this many real training images per class.")
@click.option("--worklist", "worklists", multiple=True, help="Whose outcomes count; without it, all of them.")
@click.option(
    "--allow-unknown-provenance", is_flag=True, help="Take images of generators that do not say what they saw."
)
@click.option("--seed", default=0, show_default=True)
@json_option
@pass_project
def build(
    project: Project,
    name: str,
    synthetic: Literal["approved", "raw", "random", "none"],
    extra_real: Literal["none", "duplicated", "reserve"],
    max_ratio: float | None,
    real_per_class: int | None,
    worklists: tuple[str, ...],
    allow_unknown_provenance: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Freeze a mix of real and synthetic images under NAME.

    `approved` takes what readers accepted, `raw` everything drawn, `random` as many as were approved, drawn at random,
    `none` real images only. Validation and test subjects are always real.

    \b
    Example:
      rounds snapshot build first --synthetic approved --max-ratio 1
    """
    recipe = MixRecipe(
        synthetic=synthetic,
        extra_real=extra_real,
        max_ratio=max_ratio,
        real_per_class=real_per_class,
        worklists=worklists,
        allow_unknown_provenance=allow_unknown_provenance,
        seed=seed,
    )
    with progress_bar("writing snapshot", quiet=as_json) as report:
        folder = build_snapshot(project, name, recipe, now(), report)
    emit(_facts(folder), as_json, title=f"snapshot {name}")


@snapshot.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List snapshots, with what they rest on and whether later readings made them stale.

    \b
    Example:
      rounds snapshot list
    """
    with project.database.read() as session:
        summaries = list_snapshots(session)
    emit([asdict(summary) for summary in summaries], as_json, title="snapshots")


@snapshot.command()
@click.argument("name")
@json_option
@pass_project
def verify(project: Project, name: str, as_json: bool) -> None:
    """Hold every file and row of a snapshot against its digests.

    \b
    Example:
      rounds snapshot verify first
    """
    folder = _open(project, name)
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
@click.argument("target", type=click.Path(path_type=Path))
@pass_project
def export(project: Project, name: str, target: Path) -> None:
    """Copy a snapshot to the new directory TARGET, in the Hugging Face imagefolder layout.

    \b
    Example:
      rounds snapshot export first ~/first
    """
    folder = _open(project, name)
    export_folder(folder, target)
    for line in folder.affected:
        click.echo(f"{line}: {NOTE} in it says which images")
    click.echo(f'{target}: open it with datasets.load_dataset("imagefolder", data_dir="{target}")')


def _open(project: Project, name: str) -> SnapshotFolder:
    with project.database.read() as session:
        return SnapshotFolder.open(project.root / find_snapshot(session, name).directory)


def _facts(folder: SnapshotFolder) -> dict[str, Any]:
    readings = folder.lineage["readings"]
    return {
        "digest": folder.digest,
        "folder": str(folder.path),
        **{split: folder.manifest["counts"][split] for split in folder.manifest["counts"]},
        "readings": f"{readings['human']} by people, {readings['proxy']} by proxy models",
        "subjects": folder.subjects,
        "notice": folder.notice,
        **({"withdrawals": folder.affected} if folder.affected else {}),
    }
