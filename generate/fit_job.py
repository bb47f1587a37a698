"""Fit a generator in a project: open the snapshot, fit, and register the generator."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from curation.jobs import utc_now
from curation.locks import being_made
from curation.progress import OnProgress
from curation.project import Project
from curation.requests import check_name
from curation.tables.generation import Generator
from generate.fit_request import FitRequest, check_fit
from generate.latent_flow.fit import check_networks, fit_generator
from generate.latent_flow.timing import estimate_fit
from generate.registry import add_generator
from train.fitting.device import choose_device
from train.fitting.phase import FitProgress
from train.fitting.timing import tell_estimate


def fit_in_project(
    project: Project,
    request: FitRequest,
    report: OnProgress,
    now: Callable[[], datetime],
    made_by: str,
    say: Callable[[str], None] | None = None,
) -> Generator:
    """Fit a generator on a snapshot of the project and register it; killed, the next call continues.

    `say` is given an estimate of the time before the fit begins; without it the estimate is the first report's note.
    `made_by` is the command, for the card. Raises Conflict while another process is at it, and what `check_fit`,
    `fit_generator` and `add_generator` raise.
    """
    with being_made(project, "generator", check_name(request.name, "generator")):
        return _fit_in_project(project, request, report, now, made_by, say)


def _fit_in_project(
    project: Project,
    request: FitRequest,
    report: OnProgress,
    now: Callable[[], datetime],
    made_by: str,
    say: Callable[[str], None] | None,
) -> Generator:
    folder, autoencoder_from = check_fit(project, request)
    check_networks(folder, request.recipe)
    directory, device = project.directory("generators") / request.name, choose_device()
    if not (directory / "card.json").is_file():
        flow_only = autoencoder_from is not None
        estimate = estimate_fit(folder, request.recipe, device, flow_only=flow_only)
        tell_estimate("the fit", report, say)(estimate)
    fit_generator(
        folder,
        request.recipe,
        directory,
        make_fit_reporter(report),
        name=request.name,
        made_by=made_by,
        date=now().date().isoformat(),
        device=device,
        allow_affected=request.allow_affected,
        autoencoder_from=autoencoder_from,
    )
    return add_generator(project, now(), directory, request.name)


def run_fit_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Run a queued fit."""
    request = FitRequest.checked(**payload)
    made_by = f"rounds generator fit --snapshot {request.snapshot} --name {request.name}"
    made_by += f" --autoencoder-from {request.autoencoder_from}" if request.autoencoder_from else ""
    fit_in_project(project, request, report, utc_now, f"{made_by} --queue")


def make_fit_reporter(report: OnProgress) -> Callable[[FitProgress], None]:
    """Make a callback that reports steps as done and total, with phase and loss as the note."""

    def on_progress(progress: FitProgress) -> None:
        report(progress.step, progress.steps, f"{progress.phase}, loss {progress.loss:.4f}")

    return on_progress
