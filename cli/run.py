"""`rounds run`: list, show, export and remove runs."""

from pathlib import Path
from typing import Literal

import click

from cli.paths import LocalPath
from cli.removal import remove_command
from cli.terminal import emit, json_option, now, pass_project, use_torch_threads
from curation.lineage.graph import NodeKind
from curation.project import Project
from curation.provenance.withdrawn import affected_notes
from curation.status import state_of
from curation.tables.training import Snapshot
from curation.tables.withdrawals import AffectedKind


@click.group()
def run() -> None:
    """List, show, export and remove runs. `rounds train` makes a run, `rounds evaluate` measures it.

    \b
    Example:
      rounds run list
    """


run.add_command(remove_command(NodeKind.RUN))


@run.command("list")
@json_option
@pass_project
def list_command(project: Project, as_json: bool) -> None:
    """List runs, with whether each is ready, running, queued or interrupted.

    `rounds train --resume NAME` continues an interrupted one.

    \b
    Example:
      rounds run list
    """
    from train.adaptation.records import list_runs

    with project.database.read() as session:
        notes = affected_notes(session, AffectedKind.RUN)
        rows = [
            {
                "name": run.name,
                "status": state_of(session, project, now(), run),
                "snapshot": session.get_one(Snapshot, run.snapshot_id).name,
                "adaptation": run.config.get("adaptation"),
                "validation": {name: value for name, value in run.metrics.items() if isinstance(value, float)},
                "made": run.created_at,
                "withdrawals": notes.get(run.id),
            }
            for run in list_runs(session)
        ]
    emit(rows, as_json, title="runs")


@run.command("show")
@click.argument("name")
@click.option(
    "--plot",
    type=LocalPath(dir_okay=False, path_type=Path),
    metavar="OUT.png",
    help="Draw the losses and the accuracy by step.",
)
@json_option
@pass_project
def show_command(project: Project, /, name: str, plot: Path | None, as_json: bool) -> None:
    """Show a run: its state, its course so far, and what it was measured on.

    A run that is being fitted, here or by a worker, adds a line to `curve.jsonl` in its folder at every evaluation.

    \b
    Example:
      rounds run show first-lora-s0
      rounds run show first-lora-s0 --plot curve.png
    """
    from train.adaptation.course import CourseOfRun
    from train.adaptation.records import find_run

    with project.database.read() as session:
        row = find_run(session, name)
        notes = affected_notes(session, AffectedKind.RUN)
        facts = {
            "run": name,
            "status": state_of(session, project, now(), row),
            "snapshot": session.get_one(Snapshot, row.snapshot_id).name,
            "adaptation": row.config.get("adaptation"),
            "validation": row.metrics,
            "withdrawals": notes.get(row.id),
        }
    course = CourseOfRun.read(project.root / row.directory)
    if plot is not None:
        course.plot(f"{name}, {facts['status']}").savefig(plot, dpi=120)
        facts["plot"] = str(plot)
    if as_json:
        emit({**facts, "curves": course.curves, "evaluations": course.evaluations}, as_json)
        return
    emit({key: value for key, value in (facts | course.evaluation_lines()).items() if value}, as_json, title="run")
    for curve, points in course.curves.items():
        emit(points, as_json, title=curve)


@run.command("export")
@click.argument("name")
@click.argument("out", type=LocalPath(path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["folder", "onnx"]),
    default="folder",
    show_default=True,
    help="A folder that transformers and peft load, or one ONNX file with its processor.",
)
@click.option("--allow-affected", is_flag=True, help="Export what descends from a withdrawn subject. The card says so.")
@json_option
@pass_project
def export_command(
    project: Project,
    /,
    name: str,
    out: Path,
    format_name: Literal["folder", "onnx"],
    allow_affected: bool,
    as_json: bool,
) -> None:
    """Write the run NAME to the new folder OUT, for others: encoder, adapter, head, processor, model card.

    The lists of subjects and images that it saw, and the sums that it keeps, stay in the project. An adapter is merged
    into the weights for ONNX where peft can. The file's logits are compared with those of torch, and the largest
    difference is printed. The export is recorded as an event.

    \b
    Example:
      rounds run export first-lora-s0 ~/first-lora
      rounds run export first-lora-s0 ~/first-onnx --format onnx
    """
    from train.model_export.on_record import export_run

    use_torch_threads(project)
    facts = export_run(project, name, out, format_name, now(), allow_affected=allow_affected)
    emit(facts, as_json, title=f"run {name}")
