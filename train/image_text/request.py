"""The request to align an image tower with a text tower. Torch-free."""

from datetime import datetime

from pydantic import Field

from curation.jobs import enqueue_request
from curation.project import Project
from curation.provenance.withdrawn import refuse_affected
from curation.requests import FrozenRequest
from curation.snapshots.build import open_snapshot
from curation.tables.operations import Job
from train.image_text.recipe import AlignmentRecipe


class AlignmentRequest(FrozenRequest):
    """Two towers, aligned on one snapshot into an absolute directory."""

    snapshot: str = Field(min_length=1)
    image: str = Field(min_length=1, description="a backbone: `shipped`, an id or an absolute directory")
    text: str = Field(min_length=1, description="a text model: an id or an absolute directory")
    out: str = Field(min_length=1)
    recipe: AlignmentRecipe = AlignmentRecipe()
    allow_unknown_provenance: bool = False
    allow_affected: bool = Field(default=False, description="use what descends from a withdrawn subject")


def queue_alignment(project: Project, request: AlignmentRequest, now: datetime) -> Job:
    """Queue an alignment for a worker; raises NotFound without the snapshot, AffectedRefused."""
    folder = open_snapshot(project, request.snapshot)
    refuse_affected(f"snapshot {request.snapshot!r}", folder.affected, request.allow_affected)
    with project.database.write() as session:
        return enqueue_request(session, now, "align", request.model_dump(mode="json"))
