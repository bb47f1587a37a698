"""`rounds backbone`, `rounds train`, `rounds evaluate`: foundation models, adapted and measured."""

import sys
from pathlib import Path
from typing import Any, Literal

import click

from cli.snapshot_notes import stale_snapshots
from cli.terminal import emit, json_option, now, pass_project, progress_bar, use_torch_threads
from curation.project import Project
from curation.provenance.tombstones import Tombstones
from curation.provenance.withdrawn import refuse_affected
from curation.snapshots.build import find_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.tables.images import Split
from curation.tables.training import Run, Snapshot


@click.group()
def backbone() -> None:
    """Pretrain and show backbones.

    \b
    Example:
      rounds backbone show shipped
    """


@backbone.command()
@click.argument("backbone_path", metavar="BACKBONE")
@json_option
def show(backbone_path: str, as_json: bool) -> None:
    """Say what BACKBONE (`shipped`, a Hugging Face id or a directory) is, and whether it says what it saw.

    \b
    Example:
      rounds backbone show shipped
    """
    from train.backbones.load import SHIPPED_BACKBONE, Backbone

    loaded = Backbone.load(SHIPPED_BACKBONE if backbone_path == "shipped" else backbone_path)
    card = loaded.directory / "card.json"
    facts = {
        "name": loaded.name,
        "directory": str(loaded.directory),
        "digest": loaded.digest,
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "says what it saw": card.is_file(),
        **({"withdrawals": reached} if (reached := Tombstones.read(loaded.directory).words) else {}),
    }
    emit(facts, as_json, title=f"backbone {loaded.name}")


@backbone.command()
@click.option("--snapshot", help="A snapshot of this project; its real training images are used.")
@click.option("--snapshot-folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Or any folder.")
@click.option("--recipe", type=click.Path(exists=True, path_type=Path), required=True, help="A JSON recipe.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the backbone goes.")
@click.option("--allow-affected", is_flag=True, help="Use a snapshot that descends from a withdrawn subject.")
@click.pass_context
def pretrain(
    ctx: click.Context,
    snapshot: str | None,
    snapshot_folder: Path | None,
    recipe: Path,
    out: Path,
    allow_affected: bool,
) -> None:
    """Pretrain a small ViT by masked autoencoding on training subjects. Killed, it goes on where it was.

    \b
    Example:
      rounds backbone pretrain --snapshot first --recipe train/shipped/virtual-brains-vit.recipe.json --out vit
    """
    from train.config import PretrainRecipe
    from train.pretraining.pretrain import pretrain_backbone

    if (snapshot is None) == (snapshot_folder is None):
        raise click.UsageError("give either --snapshot NAME or --snapshot-folder DIRECTORY")
    folder = SnapshotFolder.open(snapshot_folder) if snapshot_folder else ctx.invoke(_open_snapshot, name=snapshot)
    command = f"rounds {' '.join(sys.argv[1:])}"
    with progress_bar("pretraining") as report:
        pretrain_backbone(
            folder,
            PretrainRecipe.parse(recipe.read_text()),
            out,
            report,
            command,
            now().date().isoformat(),
            allow_affected=allow_affected,
        )
    click.echo(f"{out}: use it with --backbone {out}")


@click.command(hidden=True)
@pass_project
def _open_snapshot(project: Project, name: str) -> SnapshotFolder:
    with project.database.read() as session:
        return SnapshotFolder.open(project.root / find_snapshot(session, name).directory)


@click.command()
@click.option("--snapshot", "snapshot_name", required=True, help="A name of `rounds snapshot list`.")
@click.option(
    "--adaptation", type=click.Choice(["linear-probe", "lora", "full"]), default="linear-probe", show_default=True
)
@click.option("--backbone", default="shipped", show_default=True, help="`shipped`, a Hugging Face id or a directory.")
@click.option("--name", help="What the run is called; without it, SNAPSHOT-ADAPTATION-sSEED.")
@click.option("--epochs", type=click.IntRange(1), default=30, show_default=True)
@click.option("--steps", type=click.IntRange(1), help="Optimiser steps instead of epochs.")
@click.option("--learning-rate", type=float, help="Without it, the default of the adaptation.")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--allow-unknown-provenance", is_flag=True, help="Take a backbone that does not say what it saw.")
@click.option(
    "--allow-affected", is_flag=True, help="Use what descends from a withdrawn subject; every report will say so."
)
@json_option
@pass_project
def train(
    project: Project,
    snapshot_name: str,
    adaptation: Literal["linear-probe", "lora", "full"],
    backbone: str,
    name: str | None,
    epochs: int,
    steps: int | None,
    learning_rate: float | None,
    batch_size: int,
    seed: int,
    allow_unknown_provenance: bool,
    allow_affected: bool,
    as_json: bool,
) -> None:
    """Adapt a backbone to a snapshot, stopping early on validation; the test subjects stay closed.

    \b
    Example:
      rounds train --snapshot first --adaptation lora
    """
    from train.adaptation.adapt import adapt
    from train.affected import withdrawals_behind
    from train.config import AdaptationConfig
    from train.records import close_run, open_run

    config = AdaptationConfig(
        adaptation=adaptation,
        backbone=backbone,
        epochs=epochs,
        steps=steps,
        learning_rate=learning_rate,
        batch_size=batch_size,
        seed=seed,
        allow_unknown_provenance=allow_unknown_provenance,
    )
    name = name or f"{snapshot_name}-{adaptation}-s{seed}"
    use_torch_threads(project.settings.torch_threads)
    with project.database.write() as session:
        snapshot = find_snapshot(session, snapshot_name)
        folder = SnapshotFolder.open(project.root / snapshot.directory)
        reached = withdrawals_behind(session, [snapshot], config)
        refuse_affected(f"snapshot {snapshot_name!r} or its backbone", reached, allow_affected)
        run = open_run(session, now(), name, snapshot, config)
    stale = stale_snapshots(project, [snapshot_name])
    with progress_bar(f"{adaptation} on {snapshot_name}", quiet=as_json) as report:
        result = adapt(
            folder,
            config,
            project.root / run.directory,
            report,
            allow_affected=allow_affected,
            also_affected=reached,
        )
    with project.database.write() as session:
        close_run(session, project.chain, now(), name, result.metrics)
    facts: dict[str, Any] = {"run": name, "directory": str(result.directory), "validation": result.metrics}
    facts |= {"notice": folder.notice} | ({"stale": stale} if stale else {})
    if result.card.get("affected"):
        facts["withdrawals"] = result.card["affected"]
    emit(facts, as_json, title=f"run {name}")
    if not as_json:
        click.echo(f"measure it on the test subjects: rounds evaluate {name}")


@click.command()
@click.argument("run_name", metavar="RUN")
@click.option("--split", type=click.Choice(["test", "validation"]), default="test", show_default=True)
@click.option("--bootstrap", type=click.IntRange(100), default=1000, show_default=True, help="Resamples of subjects.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@json_option
@pass_project
def evaluate(
    project: Project, run_name: str, split: Literal["test", "validation"], bootstrap: int, seed: int, as_json: bool
) -> None:
    """Measure RUN on held-out real subjects, with intervals. Each opening of the test subjects is an event.

    \b
    Example:
      rounds evaluate first-lora-s0
    """
    from train.evaluation.evaluate import evaluate_run
    from train.records import find_run, record_evaluation, record_opening

    use_torch_threads(project.settings.torch_threads)
    with project.database.write() as session:
        run = find_run(session, run_name)
        folder = SnapshotFolder.open(project.root / session.get_one(Snapshot, run.snapshot_id).directory)
        record_opening(session, project.chain, now(), "run", run.id, Split(split))
    found = evaluate_run(project.root / run.directory, folder, split, bootstrap, seed)
    with project.database.write() as session:
        record_evaluation(session, now(), session.get_one(Run, run.id), Split(split), found.as_json())
    emit(found.as_json() if as_json else _for_the_eye(found), as_json, title=f"run {run_name} on {split} subjects")


def _for_the_eye(found: Any) -> dict[str, Any]:
    metrics = {
        name.replace("_", " "): f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"
        for name, one in found.metrics.items()
    }
    level = f"{found.confidence:.0%}, over {found.n_units} subjects with {found.n_images} images"
    if found.resampled != "subject":
        level = f"{found.confidence:.0%}, over {found.n_images} images: subjects are unknown, so they are too narrow"
    lines: dict[str, Any] = {**metrics, "intervals": level, "notice": found.notice}
    if found.unknown_provenance:
        lines["UNKNOWN PROVENANCE"] = found.unknown_provenance
    if found.affected:
        lines["withdrawals"] = found.affected
    return lines
