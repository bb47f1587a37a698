"""`rounds train`, `rounds evaluate`: adapt foundation models, and measure."""

from typing import Any

import click

from cli.backbone_option import backbone_option
from cli.numbers import LEARNING_RATE, SEED, STEPS
from cli.resume import refuse_beside_resume, resume_option
from cli.snapshot_notes import near_copies_line, near_copies_of_folder, stale_snapshots, warn_of_mixed_scales
from cli.terminal import (
    emit,
    emit_queued,
    json_option,
    now,
    pass_project,
    progress_bar,
    queue_option,
    tell,
    use_torch_threads,
)
from curation.estimates import Estimate
from curation.project import Project
from curation.provenance.public_web import OVERLAP
from curation.provenance.seen import PUBLIC_WEB
from curation.snapshots.build import open_snapshot
from train.adaptation.methods.table import DEFAULT_METHOD, METHODS


@click.command()
@click.option("--snapshot", "snapshot_name", help="The name of the snapshot; `rounds snapshot list` shows them.")
@resume_option("run")
@click.option("--adaptation", type=click.Choice(list(METHODS)), default=DEFAULT_METHOD.kind, show_default=True)
@backbone_option("The backbone to adapt")
@click.option("--name", help="The name of the run. Default: SNAPSHOT-ADAPTATION-sSEED.")
@click.option("--epochs", type=click.IntRange(1, 100_000), default=30, show_default=True)
@click.option("--steps", type=STEPS, help="Optimiser steps instead of epochs.")
@click.option("--learning-rate", type=LEARNING_RATE, help="Default: depends on the adaptation.")
@click.option("--batch-size", type=click.IntRange(1, 65_536), default=64, show_default=True)
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--allow-unknown-provenance", is_flag=True, help="Use a backbone without a list of what it saw.")
@click.option(
    "--allow-affected", is_flag=True, help="Use what descends from a withdrawn subject. Every report says so."
)
@queue_option("training")
@json_option
@pass_project
def train(
    project: Project,
    /,
    snapshot_name: str | None,
    resume: str | None,
    adaptation: str,
    name: str | None,
    allow_affected: bool,
    queue: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Adapt a backbone to a snapshot, with early stopping on validation subjects. Test subjects are not read.

    If it was killed, run the same command again, or use --resume: it continues from its checkpoint.

    \b
    Example:
      rounds train --snapshot first --adaptation lora
      rounds train --resume first-lora-s0
    """
    from train.adaptation.config import AdaptationConfig
    from train.adaptation.run_request import RunRequest, queue_run, resume_run

    if (snapshot_name is None) == (resume is None):
        raise click.UsageError("give either --snapshot NAME or --resume RUN")
    if resume is not None:
        refuse_beside_resume("allow_affected", "queue", "as_json")
        with project.database.read() as session:
            request = resume_run(session, resume, allow_affected=allow_affected)
    else:
        name = name or f"{snapshot_name}-{adaptation}-s{options['seed']}"
        options["backbone"] = options["backbone"] or project.settings.train.backbone
        config = AdaptationConfig.checked(adaptation=adaptation, **options)
        request = RunRequest.checked(
            snapshot=str(snapshot_name), name=name, config=config, allow_affected=allow_affected
        )
    stale = stale_snapshots(project, [request.snapshot])
    folder = open_snapshot(project, request.snapshot)
    warn_of_mixed_scales(folder)
    if queue:
        emit_queued(queue_run(project, request, now()), {"run": request.name}, as_json)
        return
    from train.adaptation.run_job import train_run

    use_torch_threads(project)
    with progress_bar(f"{request.config.method.kind} on {request.snapshot}", quiet=as_json) as report:
        run = train_run(project, request, report, now, say=tell)
    facts: dict[str, Any] = {"run": request.name, "directory": str(run.directory), "validation": run.metrics}
    near = near_copies_of_folder(folder, "validation")
    facts |= {"near copies": near, "notice": run.card["notice"]} | ({"stale": stale} if stale else {})
    if note := run.card["backbone"].get("preprocessing"):
        facts["preprocessing"] = note
    if run.card.get("mixed_scales"):
        facts["scales"] = run.card["mixed_scales"]
    if run.card.get("constant_features"):
        facts["features that do not vary"] = run.card["constant_features"]
    if web := run.card["saw"].get("public_web"):
        facts[PUBLIC_WEB] = f"{', '.join(web)} saw web images; {OVERLAP}"
    if run.card.get("affected"):
        facts["withdrawals"] = run.card["affected"]
    emit(facts, as_json, title=f"run {request.name}")
    if not as_json:
        click.echo(f"measure it on the test subjects: rounds evaluate {request.name}")


@click.command()
@click.argument("run_name", metavar="RUN")
@click.option("--split", type=click.Choice(["test", "validation"]), default="test", show_default=True)
@click.option(
    "--bootstrap",
    type=click.IntRange(100, 100_000),
    default=1000,
    show_default=True,
    help="How many resamples of subjects give the intervals.",
)
@click.option("--seed", type=SEED, default=0, show_default=True)
@queue_option("measuring")
@json_option
@pass_project
def evaluate(project: Project, /, run_name: str, queue: bool, as_json: bool, **options: Any) -> None:
    """Measure RUN on held-out real subjects, with intervals. Each use of the test subjects is recorded as an event.

    \b
    Example:
      rounds evaluate first-lora-s0
    """
    from train.evaluation.request import EvaluationRequest, queue_evaluation

    request = EvaluationRequest.checked(run=run_name, n_bootstrap=options.pop("bootstrap"), **options)
    if queue:
        emit_queued(queue_evaluation(project, request, now()), {"run": run_name, "split": request.split}, as_json)
        return
    from train.evaluation.on_record import evaluate_on_record

    use_torch_threads(project)
    with progress_bar(f"evaluating {run_name}", quiet=True):
        evaluation = evaluate_on_record(project, request, now)
    facts = evaluation.as_json() if as_json else _evaluation_lines(evaluation)
    emit(facts, as_json, title=f"run {run_name} on {request.split} subjects")


def _evaluation_lines(evaluation: Any) -> dict[str, Any]:
    """The metrics with their intervals, and what a reader of them has to know."""
    others = evaluation.without_near_copies
    metrics = {
        name.replace("_", " "): _with_interval(interval)
        + (f"; without near copies {_with_interval(others.metrics[name])}" if others and others.metrics else "")
        for name, interval in evaluation.metrics.items()
    }
    level = f"{evaluation.confidence:.0%}, over {evaluation.n_units} subjects with {evaluation.n_images} images"
    if evaluation.resampled != "subject":
        level = f"{evaluation.confidence:.0%}, over {evaluation.n_images} images"
        level += ": subjects are unknown, so they are too narrow"
    near = near_copies_line(evaluation.split, evaluation.near_copies, evaluation.n_images)
    if others:
        of_subjects = f" of {others.n_units} subjects" if evaluation.resampled == "subject" else ""
        near += f"; {others.why_none or f'{others.n_images} images{of_subjects} are left'}"
    lines: dict[str, Any] = {**metrics, "intervals": level, "near copies": near, "notice": evaluation.notice}
    if evaluation.public_web:
        lines[PUBLIC_WEB] = f"{', '.join(evaluation.public_web)} saw web images; {OVERLAP}"
    if evaluation.unknown_provenance:
        lines["UNKNOWN PROVENANCE"] = evaluation.unknown_provenance
    if evaluation.affected:
        lines["withdrawals"] = evaluation.affected
    return lines


def _with_interval(interval: Estimate) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
