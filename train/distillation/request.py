"""The request to distil a small backbone from a teacher on a snapshot of a project. Torch-free."""

from datetime import datetime

from pydantic import Field

from curation.jobs import enqueue_request
from curation.project import Project
from curation.provenance.withdrawn import refuse_affected
from curation.requests import FrozenRequest
from curation.snapshots.build import open_snapshot
from curation.tables.operations import Job
from train.distillation.recipe import DistilRecipe


class DistilRequest(FrozenRequest):
    """One backbone, distilled from `teacher` on one snapshot of a project into an absolute directory."""

    snapshot: str = Field(min_length=1)
    teacher: str = Field(min_length=1, description="a name of the project, a Hugging Face id or a directory in full")
    recipe: DistilRecipe
    out: str = Field(min_length=1)
    name: str | None = Field(default=None, description="the name that the project gives the result")
    allow_unknown_provenance: bool = Field(default=False, description="use a teacher that does not say what it saw")
    allow_affected: bool = Field(default=False, description="use what descends from a withdrawn subject")


def queue_distillation(project: Project, request: DistilRequest, now: datetime) -> Job:
    """Queue a distillation for a worker; raises NotFound without the snapshot, AffectedRefused."""
    folder = open_snapshot(project, request.snapshot)
    refuse_affected(f"snapshot {request.snapshot!r}", folder.affected, request.allow_affected)
    with project.database.write() as session:
        return enqueue_request(session, now, "distil", request.model_dump(mode="json"))
