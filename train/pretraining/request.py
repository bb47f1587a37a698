"""The request to pretrain a backbone on a snapshot of a project. Torch-free."""

from datetime import datetime

from pydantic import Field

from curation.jobs import enqueue_request
from curation.project import Project
from curation.provenance.withdrawn import refuse_affected
from curation.requests import FrozenRequest
from curation.snapshots.build import open_snapshot
from curation.tables.operations import Job
from train.pretraining.continued_recipe import ContinuedRecipe
from train.pretraining.recipe import refuse_few_images
from train.pretraining.recipes import TaggedRecipe


class PretrainRequest(FrozenRequest):
    """One backbone, pretrained on one snapshot of a project into an absolute directory."""

    snapshot: str = Field(min_length=1)
    recipe: TaggedRecipe
    out: str = Field(min_length=1)
    allow_affected: bool = Field(default=False, description="use a snapshot that descends from a withdrawn subject")
    from_nothing: bool = Field(default=False, description="start from random weights although images are few")


def queue_pretraining(project: Project, request: PretrainRequest, now: datetime) -> Job:
    """Queue a pretraining for a worker; raises NotFound without the snapshot, AffectedRefused."""
    if isinstance(request.recipe, ContinuedRecipe):
        request = request.model_copy(update={"recipe": request.recipe.resolved(project.root)})
    folder = open_snapshot(project, request.snapshot)
    refuse_affected(f"snapshot {request.snapshot!r}", folder.affected, request.allow_affected)
    if not isinstance(request.recipe, ContinuedRecipe):
        refuse_few_images(folder, request.from_nothing)
    with project.database.write() as session:
        return enqueue_request(session, now, "pretrain", request.model_dump(mode="json"))
