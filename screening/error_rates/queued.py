"""Canaries and error rates of the privacy gate as jobs: their requests, and what a worker runs."""

from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from curation.jobs import enqueue_request, utc_now
from curation.progress import OnProgress
from curation.project import Project
from curation.requests import FrozenRequest
from curation.snapshots.build import open_snapshot
from curation.tables.operations import Job
from generate.registry import find_weights
from screening.error_rates.canaries import CanaryPlan
from screening.error_rates.canary_run import measure_canaries
from screening.error_rates.privacy import PrivacyPlan
from screening.error_rates.privacy_run import measure_privacy


class CanaryRequest(FrozenRequest):
    """Canaries planted in one snapshot, with the report in an absolute directory."""

    snapshot: str = Field(min_length=1)
    plan: CanaryPlan
    out: str = Field(min_length=1)
    autoencoder: str | None = Field(default=None, description="a generator of the project")
    backbone: str | None = None


class PrivacyRequest(FrozenRequest):
    """A measurement of the privacy gate."""

    plan: PrivacyPlan
    autoencoder: str | None = Field(default=None, description="a generator of the project")
    backbone: str | None = None


def queue_canaries(project: Project, request: CanaryRequest, now: datetime) -> Job:
    """Queue canaries for a worker; raises NotFound without the snapshot or the generator."""
    open_snapshot(project, request.snapshot)
    return _queue(project, "canaries", request, now)


def queue_privacy(project: Project, request: PrivacyRequest, now: datetime) -> Job:
    """Queue a measurement of the privacy gate for a worker; raises NotFound without the generator."""
    return _queue(project, "privacy", request, now)


def _queue(project: Project, kind: str, request: CanaryRequest | PrivacyRequest, now: datetime) -> Job:
    if request.autoencoder is not None:
        find_weights(project, request.autoencoder)
    with project.database.write() as session:
        return enqueue_request(session, now, kind, request.model_dump(mode="json"))


def run_canary_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Run queued canaries; after its worker was killed, the next continues."""
    request = CanaryRequest.checked(**payload)
    options = {"autoencoder": request.autoencoder, "backbone_path": request.backbone}
    measure_canaries(project, request.snapshot, request.plan, Path(request.out), report, **options)


def run_privacy_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Run a queued measurement of the privacy gate; its result is kept as a row."""
    request = PrivacyRequest.checked(**payload)
    measure_privacy(
        project, utc_now(), request.plan, report, backbone_path=request.backbone, autoencoder=request.autoencoder
    )
