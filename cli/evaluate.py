"""`rounds evaluate`: measure a run on held-out subjects."""

from typing import Any

import click

from cli.numbers import SEED
from cli.snapshot_notes import near_copies_line
from cli.terminal import (
    emit,
    emit_queued,
    json_option,
    now,
    pass_project,
    progress_bar,
    queue_option,
    use_torch_threads,
)
from curation.estimates import Estimate
from curation.project import Project
from curation.provenance.public_web import OVERLAP
from curation.provenance.seen import PUBLIC_WEB


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
