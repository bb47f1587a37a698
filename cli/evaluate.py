"""`rounds evaluate`: measure a run on held-out subjects."""

from typing import TYPE_CHECKING, Any

import click

from cli.import_options import asked_on_top, described_options, preparing_options
from cli.numbers import SEED
from cli.resume import given_beside
from cli.snapshot_notes import near_copies_line
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

if TYPE_CHECKING:
    from train.evaluation.request import EvaluationRequest

OF_EVERY_EVALUATION = ("run_name", "split", "bootstrap", "seed", "queue", "as_json", "on")


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
@click.option(
    "--on",
    metavar="SNAPSHOT|PATH",
    help="Measure on an external set instead: another snapshot, or labelled files that are read as `rounds import` "
    "reads them and are not stored. The options below say how files are read.",
)
@described_options
@preparing_options
@queue_option("measuring")
@json_option
@pass_project
def evaluate(
    project: Project,
    /,
    run_name: str,
    split: str,
    bootstrap: int,
    seed: int,
    on: str | None,
    queue: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure RUN on held-out real subjects, with intervals. Each use of the test subjects is recorded as an event.

    With --on it is measured on a set that is not its own: of a snapshot the split that --split names, of files all.
    Subjects that the run saw are refused, and what looks like a training image is counted and left out of a second set
    of figures. The result stands apart from that of the run's own test subjects.

    \b
    Example:
      rounds evaluate first-lora-s0
      rounds evaluate first-lora-s0 --on other-hospital/ --subject-pattern '(patient\\d+)_'
      rounds evaluate first-lora-s0 --on other.csv --label-column finding --subject-column patient
    """
    from train.evaluation.request import EvaluationRequest, queue_evaluation

    request = EvaluationRequest.checked(run=run_name, split=split, n_bootstrap=bootstrap, seed=seed)
    if on is not None:
        _evaluate_elsewhere(project, request, on, queue, as_json, options)
        return
    if idle := given_beside(*OF_EVERY_EVALUATION):
        raise click.UsageError(f"{', '.join(idle)} says how files are read, and there are none without --on PATH")
    if queue:
        emit_queued(queue_evaluation(project, request, now()), {"run": run_name, "split": request.split}, as_json)
        return
    from train.evaluation.on_record import evaluate_on_record

    use_torch_threads(project)
    with progress_bar(f"evaluating {run_name}", quiet=True):
        evaluation = evaluate_on_record(project, request, now)
    facts = evaluation.as_json() if as_json else _evaluation_lines(evaluation)
    emit(facts, as_json, title=f"run {run_name} on {request.split} subjects")


def _evaluate_elsewhere(
    project: Project, request: "EvaluationRequest", on: str, queue: bool, as_json: bool, options: dict[str, Any]
) -> None:
    """Measure on an external set, here: the files may be where no worker is."""
    from train.evaluation.external_on_record import Elsewhere, evaluate_elsewhere
    from train.prediction.of_run import RunOfProject

    if queue:
        raise click.UsageError("--on goes without --queue: it measures here")
    prepared = RunOfProject.find(project, request.run).prepared
    where = Elsewhere(on, asked_on_top(prepared, options), options["manifest"])
    use_torch_threads(project)
    with progress_bar(f"evaluating {request.run} on {on}", quiet=True) as report:
        evaluation, left_out = evaluate_elsewhere(project, request, where, report, now)
    for item in left_out:
        tell(f"left out: {item}")
    lines = {"external set": f"{evaluation.on.name}, {evaluation.on.kind}"}
    if evaluation.on.kind == "snapshot":
        lines["external set"] += f", its {evaluation.on.split} split"
    lines |= _evaluation_lines(evaluation)
    if left_out:
        lines["left out"] = f"{len(left_out)} files, named above"
    emit(evaluation.as_json() if as_json else lines, as_json, title=f"run {request.run} on an external set")


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
    if evaluation.split == "external":
        near = f"{evaluation.near_copies} of {evaluation.n_images} images look like a training image"
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
