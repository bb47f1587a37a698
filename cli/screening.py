"""`rounds screen`: the automatic checks over a batch."""

from typing import Any

import click
from sqlalchemy import func, select

from cli.terminal import emit, json_option, now, pass_project, progress_bar, use_torch_threads
from curation.models.generation import Batch, Screening, ScreeningCheck
from curation.models.images import BuildStatus
from curation.project import Project


@click.command()
@click.argument("batch", type=int, required=False)
@click.option("--backbone", help="Hugging Face id or directory whose features are used; without it, the shipped one.")
@json_option
@pass_project
def screen(project: Project, batch: int | None, backbone: str | None, as_json: bool) -> None:
    """Check every image of BATCH (without it, of every finished batch): pass, flag or block, each value kept.

    Looks for blank, saturated, blurred and noisy pictures, duplicates, and near copies of real training images. A
    worker does this by itself when a batch is finished; done again under equal thresholds, it changes nothing.

    \b
    Example:
      rounds screen 1
    """
    from curation.screening.run import screen_batch

    use_torch_threads(project.settings.torch_threads)
    with project.database.read() as session:
        ready = session.scalars(select(Batch.id).where(Batch.status == BuildStatus.READY).order_by(Batch.id)).all()
    rows: list[dict[str, Any]] = []
    for batch_id in [batch] if batch is not None else ready:
        with progress_bar(f"screening batch {batch_id}", quiet=as_json) as report:
            counts = screen_batch(project, batch_id, now(), report, backbone)
        rows.append({"batch": batch_id, **{verdict: counts.get(verdict, 0) for verdict in ("pass", "flag", "block")}})
        rows[-1] |= _facts(project, batch_id)
    emit(rows if as_json or len(rows) != 1 else rows[0], as_json, title="screening")


def _facts(project: Project, batch_id: int) -> dict[str, Any]:
    """Which checks spoke, and what the privacy gate's word is worth."""
    with project.database.read() as session:
        newest = session.scalars(
            select(Screening).where(Screening.batch_id == batch_id).order_by(Screening.id.desc()).limit(1)
        ).one()
        spoke = session.execute(
            select(ScreeningCheck.name, func.count())
            .where(ScreeningCheck.screening_id == newest.id, ScreeningCheck.verdict != "pass")
            .group_by(ScreeningCheck.name)
        ).all()
        parameters = newest.parameters
    return {
        "checks that spoke": {name: count for name, count in spoke},
        "false blocks, near_copy": false_blocks(parameters["near_copy"]),
        "false blocks, near_copy_pixels": false_blocks(parameters["near_copy_pixels"]),
        "validation images that are training images": parameters["validation_copies_of_training"],
        "images its generator saw": f"{parameters['generator_images']}, of which "
        f"{parameters['generator_images_compared']} are in this project and were compared",
    }


def false_blocks(gate: dict[str, Any]) -> str:
    """What a copy gate's word is worth: how many held-out real images it would have blocked."""
    if "not_set" in gate:
        return f"no gate, everything is flagged: {gate['not_set']}"
    low, high = gate["false_block_rate_95"]
    return f"{gate['false_blocks']} of {gate['measured_on']} held-out real images (95 %: {low:.1%} to {high:.1%})"
