"""Run a queued distillation."""

from pathlib import Path
from typing import Any

from curation.jobs import utc_now
from curation.progress import OnProgress
from curation.project import Project
from curation.snapshots.build import open_snapshot
from train.backbones.add import AddRequest, add_backbone
from train.backbones.names import backbone_location
from train.distillation.distil import distil_backbone
from train.distillation.request import DistilRequest
from train.fitting.timing import tell_estimate


def run_distil_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Distil what was asked for; after its worker was killed, the next continues from the checkpoint."""
    request = DistilRequest.checked(**payload)
    out = distil_backbone(
        open_snapshot(project, request.snapshot),
        backbone_location(request.teacher, project.root),
        request.recipe,
        Path(request.out),
        report,
        f"rounds backbone distil --teacher {request.teacher} --snapshot {request.snapshot} --queue",
        utc_now().date().isoformat(),
        allow_unknown_provenance=request.allow_unknown_provenance,
        allow_affected=request.allow_affected,
        on_estimate=tell_estimate("the distillation", report, None),
    )
    if request.name is not None:
        add_backbone(project, utc_now(), AddRequest(str(out), request.name), lambda line: None)
