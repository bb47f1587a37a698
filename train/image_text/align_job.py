"""Run a queued alignment."""

from pathlib import Path
from typing import Any

from curation.jobs import utc_now
from curation.progress import OnProgress
from curation.project import Project
from curation.snapshots.build import open_snapshot
from train.backbones.names import backbone_location
from train.image_text.affected import withdrawals_behind
from train.image_text.align import align_towers
from train.image_text.request import AlignmentRequest


def run_align_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Align what was asked for; after its worker was killed, the next continues from the checkpoint."""
    request = AlignmentRequest.checked(**payload)
    made_by = f"rounds backbone align --snapshot {request.snapshot} --queue"
    with project.database.read() as session:
        affected = withdrawals_behind(session, Path(backbone_location(request.image, project.root)), request.image)
    folder, date = open_snapshot(project, request.snapshot), utc_now().date().isoformat()
    align_towers(folder, request, report, made_by, date, affected)
