"""Fit a generator in a project: open the snapshot, fit, and register what was made."""

from collections.abc import Callable
from datetime import datetime

from curation.progress import OnProgress
from curation.project import Project
from curation.snapshots.build import open_snapshot
from curation.tables.generation import Generator
from generate.fit_request import FitRequest
from generate.latent_flow.fit import fit_generator
from generate.registry import add_generator, check_name
from generate.sample import choose_device
from train.fitting.phase import FitProgress


def fit_in_project(
    project: Project, request: FitRequest, report: OnProgress, now: Callable[[], datetime], made_by: str
) -> Generator:
    """Fit a generator on a snapshot of the project and register it; killed, the next call continues.

    `made_by` is the command, for the card. Raises BadInput for a name that cannot be a directory, and whatever
    `fit_generator` and `add_generator` raise.
    """
    directory = project.directory("generators") / check_name(request.name)
    fit_generator(
        open_snapshot(project, request.snapshot),
        request.recipe,
        directory,
        fit_reporter(report),
        name=request.name,
        made_by=made_by,
        date=now().date().isoformat(),
        device=choose_device(),
        allow_affected=request.allow_affected,
    )
    return add_generator(project, now(), directory, request.name)


def fit_reporter(report: OnProgress) -> Callable[[FitProgress], None]:
    """Report a fit's steps as done and total, with its phase and loss as the note."""

    def on_progress(progress: FitProgress) -> None:
        report(progress.step, progress.steps, f"{progress.phase}, loss {progress.loss:.4f}")

    return on_progress
