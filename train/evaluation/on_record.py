"""Evaluate a run of a project, and record that the held-out split is opened before it is read."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from curation.jobs import utc_now
from curation.progress import OnProgress
from curation.project import Project
from curation.snapshots.folder import SnapshotFolder
from curation.tables.images import Split
from curation.tables.training import Run, Snapshot
from train.adaptation.records import find_run
from train.adaptation.run_folder import read_card
from train.evaluation.evaluate import EvaluationResult, evaluate_run
from train.evaluation.records import record_evaluation, record_opening
from train.evaluation.request import EvaluationRequest


def evaluate_on_record(project: Project, request: EvaluationRequest, now: Callable[[], datetime]) -> EvaluationResult:
    """Record the opening of the split, evaluate the run on it, and keep the metrics; raises NotFound.

    A run that is not finished opens nothing.
    """
    split = Split(request.split)
    with project.database.write() as session:
        run = find_run(session, request.run)
        read_card(project.root / run.directory)
        folder = SnapshotFolder.open(project.root / session.get_one(Snapshot, run.snapshot_id).directory)
        record_opening(session, project.chain, now(), "run", run.id, split)
    evaluation = evaluate_run(
        project.root / run.directory,
        folder,
        request.split,
        request.n_bootstrap,
        request.seed,
        project.directory("embeddings"),
    )
    with project.database.write() as session:
        record_evaluation(session, project.chain, now(), session.get_one(Run, run.id), split, evaluation.as_json())
    return evaluation


def run_evaluate_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Run a queued evaluation; after its worker was killed, the next worker opens the split again."""
    request = EvaluationRequest.checked(**payload)
    report(0, 1, f"{request.run} on {request.split} subjects")
    evaluation = evaluate_on_record(project, request, utc_now)
    metrics = ", ".join(f"{name} {interval.value:.3f}" for name, interval in evaluation.metrics.items())
    report(1, 1, metrics)
