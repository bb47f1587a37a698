"""Run a queued pretraining."""

from pathlib import Path
from typing import Any

from curation.jobs import utc_now
from curation.progress import OnProgress
from curation.project import Project
from curation.snapshots.build import open_snapshot
from train.fitting.timing import tell_estimate
from train.pretraining.pretrain import pretrain_backbone
from train.pretraining.request import PretrainRequest


def run_pretrain_job(project: Project, payload: dict[str, Any], report: OnProgress) -> None:
    """Pretrain what was asked for; after its worker was killed, the next continues from the checkpoint."""
    request = PretrainRequest.checked(**payload)
    made_by = f"rounds backbone pretrain --snapshot {request.snapshot} --queue"
    pretrain_backbone(
        open_snapshot(project, request.snapshot),
        request.recipe,
        Path(request.out),
        report,
        made_by,
        utc_now().date().isoformat(),
        allow_affected=request.allow_affected,
        from_nothing=request.from_nothing,
        on_estimate=tell_estimate("the pretraining", report, None),
    )
