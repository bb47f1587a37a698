"""Train a run of a project: open its row, adapt the backbone, and record that it is finished."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from curation.errors import Diverged
from curation.jobs import utc_now
from curation.locks import being_made
from curation.progress import OnProgress
from curation.project import Project
from curation.requests import check_name
from curation.snapshots.build import open_snapshot
from train.adaptation.adapt import RunResult, adapt
from train.adaptation.config import AdaptationConfig
from train.adaptation.loggers import told_to_logs
from train.adaptation.records import close_run, fail_run, find_open_run, open_run
from train.adaptation.run_request import RunRequest, check_run
from train.adaptation.synthetic_use import check_synthetic
from train.adaptation.tuning import make_searches, read_tries, tune
from train.backbones.load import load_version
from train.features.feature_cache import FeatureCache
from train.fitting.device import choose_device
from train.fitting.timing import of_several, tell_estimate


def train_run(
    project: Project,
    request: RunRequest,
    report: OnProgress,
    now: Callable[[], datetime],
    say: Callable[[str], None] | None = None,
) -> RunResult:
    """Adapt the backbone of `request` to its snapshot; a finished run is returned as it is.

    `say` is given an estimate of the time before the first step; without it the estimate is a report's note. The row of
    the run is opened when nothing stands against it. Raises Conflict when the name stands for another run or another
    process is at it, and whatever `adapt` and `check_run` raise; the row of a run that diverged is failed, and its name
    is free.
    """
    with being_made(project, "run", check_name(request.name, "run")):
        if request.tune:
            request = _tune(project, request, report, say)
        return _train_run(project, request, report, now, say)


def _tune(project: Project, request: RunRequest, report: OnProgress, say: Callable[[str], None] | None) -> RunRequest:
    """Choose the settings of the run on validation; nothing is stored of it before they are chosen."""
    with project.database.read() as session:
        snapshot, withdrawals = check_run(session, request, project.root)
        if not read_tries(project.directory("runs") / request.name):  # then what is stored was made without a search
            find_open_run(session, request.name, snapshot, request.config.model_copy(update={"tries": request.tune}))
    folder, out = open_snapshot(project, request.snapshot), project.directory("runs") / request.name
    check_synthetic(folder, request.config, compared=request.compare_synthetic)
    searches = make_searches(folder, request.config, compare_synthetic=request.compare_synthetic)
    shared = None
    if request.config.method.row.frozen_encoder:
        version = load_version(request.config.backbone, out, None, choose_device())
        shared = FeatureCache(version, project.directory("embeddings"))
    on_estimate = tell_estimate("the first try", report, say)  # of a frozen encoder, whose features serve all
    if shared is None:
        on_estimate = of_several(tell_estimate("the search", report, say), request.tune * len(searches))

    def fit(config: AdaptationConfig, directory: Path, inside: OnProgress) -> dict[str, float]:
        is_first = not any(directory.parent.glob("*-000.json"))
        run = adapt(
            folder,
            config,
            directory,
            inside,
            shared,
            feature_directory=project.directory("embeddings"),
            allow_affected=request.allow_affected,
            also_affected=withdrawals,
            on_estimate=on_estimate if is_first else None,
        )
        return run.metrics

    config = tune(searches, request.tune, out, folder.digest, report, fit)
    return request.model_copy(update={"config": config, "tune": 0, "compare_synthetic": False})


def _train_run(
    project: Project,
    request: RunRequest,
    report: OnProgress,
    now: Callable[[], datetime],
    say: Callable[[str], None] | None,
) -> RunResult:
    with project.database.read() as session:
        snapshot, withdrawals = check_run(session, request, project.root)
        find_open_run(session, request.name, snapshot, request.config)

    check_synthetic(open_snapshot(project, request.snapshot), request.config, compared=False)
    directory = project.directory("runs") / request.name

    def open_row() -> None:
        with project.database.write() as session:
            snapshot, _ = check_run(session, request, project.root)
            open_run(session, now(), request.name, snapshot, request.config)

    settings = request.config.model_dump(mode="json")
    try:
        with told_to_logs(request.log, project.root, directory, settings, report) as told:
            result = adapt(
                open_snapshot(project, request.snapshot),
                request.config,
                directory,
                told,
                feature_directory=project.directory("embeddings"),
                allow_affected=request.allow_affected,
                also_affected=withdrawals,
                on_checked=open_row,
                on_estimate=tell_estimate("the run", told, say),
            )
    except Diverged:
        with project.database.write() as session:
            fail_run(session, request.name)
        raise
    with project.database.write() as session:
        close_run(session, project.chain, now(), request.name, result.metrics)
    return result


def run_train_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Run a queued adaptation."""
    train_run(project, RunRequest.checked(**payload), report, utc_now)
