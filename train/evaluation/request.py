"""The request of an evaluation: which run, on which held-out split. Torch-free."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from curation.jobs import enqueue_request
from curation.project import Project
from curation.requests import FrozenRequest
from curation.tables.operations import Job
from train.adaptation.records import find_run


class EvaluationRequest(FrozenRequest):
    """One evaluation of a run on a held-out split."""

    run: str = Field(min_length=1)
    split: Literal["validation", "test"] = "test"
    n_bootstrap: int = Field(default=1000, ge=100, description="resamples of subjects")
    seed: int = Field(default=0, ge=0)


def queue_evaluation(project: Project, request: EvaluationRequest, now: datetime) -> Job:
    """Queue an evaluation for a worker; raises NotFound without the run."""
    with project.database.write() as session:
        find_run(session, request.run)
        return enqueue_request(session, now, "evaluate", request.model_dump(mode="json"))
