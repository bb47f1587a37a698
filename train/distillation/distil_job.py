"""Run a queued distillation."""

from pathlib import Path
from typing import Any

from curation.jobs import utc_now
from curation.progress import OnProgress
from curation.project import Project
from curation.snapshots.build import open_snapshot
from train.backbones.names import backbone_location
from train.distillation.distil import distil_backbone
from train.distillation.request import DistilRequest


def run_distil_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Distil what was asked for; after its worker was killed, the next continues from the checkpoint."""
    request = DistilRequest.checked(**payload)
    distil_backbone(
        open_snapshot(project, request.snapshot),
        backbone_location(request.teacher, project.root),
        request.recipe,
        Path(request.out),
        report,
        f"rounds backbone distil --teacher {request.teacher} --snapshot {request.snapshot} --queue",
        utc_now().date().isoformat(),
        allow_unknown_provenance=request.allow_unknown_provenance,
        allow_affected=request.allow_affected,
    )
