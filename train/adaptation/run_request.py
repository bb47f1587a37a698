"""The request of a run: which snapshot, which adaptation, under which name. Torch-free."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field
from sqlalchemy.orm import Session

from curation.jobs import enqueue_request
from curation.project import Project
from curation.provenance.withdrawn import refuse_affected
from curation.requests import FrozenRequest, check_name
from curation.snapshots.build import find_snapshot
from curation.tables.operations import Job
from curation.tables.training import Snapshot
from train.adaptation.config import AdaptationConfig, resolve_backbone
from train.adaptation.records import find_open_run, find_run
from train.adaptation.seen import find_withdrawals_behind
from train.adaptation.summed_runs import read_summed_card


class RunRequest(FrozenRequest):
    """One adaptation of a backbone to one snapshot of a project."""

    snapshot: str = Field(min_length=1)
    name: str = Field(min_length=1)
    config: AdaptationConfig = AdaptationConfig()
    allow_affected: bool = Field(default=False, description="use what descends from a withdrawn subject")
    tune: int = Field(default=0, ge=0, le=1_000, description="settings to try on validation first; 0: those of config")
    compare_synthetic: bool = Field(default=False, description="try as often with each use of synthetic images")
    log: tuple[Literal["tensorboard", "mlflow"], ...] = Field(default=(), description="who is told its course")


def check_run(session: Session, request: RunRequest, near: Path) -> tuple[Snapshot, list[str]]:
    """Find the snapshot of `request` and the withdrawals behind it and its backbone.

    Raises BadInput for a name that cannot be a directory, NotFound without the snapshot, AffectedRefused when a
    withdrawal reaches either and that is not allowed.
    """
    check_name(request.name, "run")
    snapshot = find_snapshot(session, request.snapshot)
    withdrawals = find_withdrawals_behind(session, [snapshot], request.config, near)
    refuse_affected(f"snapshot {request.snapshot!r} or its backbone", withdrawals, request.allow_affected)
    return snapshot, withdrawals


def resume_run(session: Session, name: str, *, allow_affected: bool = False) -> RunRequest:
    """Make the request that continues the run of this name from what is stored of it; raises NotFound."""
    run = find_run(session, name)
    snapshot = session.get_one(Snapshot, run.snapshot_id)
    config = AdaptationConfig.checked(**run.config)
    return RunRequest(snapshot=snapshot.name, name=name, config=config, allow_affected=allow_affected)


def continue_run(session: Session, root: Path, earlier: str, snapshot: str, name: str | None) -> RunRequest:
    """Make the request that adds a snapshot to the sums of the run `earlier`, with its backbone and settings.

    Raises NotFound without the run, BadInput where it keeps no sums.
    """
    directory = (root / find_run(session, earlier).directory).resolve()
    read_summed_card(directory)
    config = AdaptationConfig.parse((directory / "config.json").read_text())
    method = config.method.model_copy(update={"continues": str(directory)})
    config = config.model_copy(update={"method": method})
    return RunRequest.checked(snapshot=snapshot, name=name or f"{earlier}-{snapshot}", config=config)


def queue_run(project: Project, request: RunRequest, now: datetime) -> Job:
    """Queue a run for a worker; raises Conflict when the name stands for another run, and what `check_run` raises."""
    request = request.model_copy(update={"config": resolve_backbone(request.config, project.root)})
    with project.database.write() as session:
        snapshot, _ = check_run(session, request, project.root)
        if not request.tune:
            find_open_run(session, request.name, snapshot, request.config)
        return enqueue_request(session, now, "train", request.model_dump(mode="json"))
