"""The request for a fit in a project: snapshot, recipe and name. Torch-free."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from curation.errors import Conflict
from curation.jobs import enqueue_request
from curation.project import Project
from curation.provenance.withdrawn import refuse_affected
from curation.requests import FrozenRequest, check_name
from curation.snapshots.build import open_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.tables.operations import Job
from generate.latent_flow.recipe import FitRecipe
from generate.registry import list_generators


class FitRequest(FrozenRequest):
    """One generator fitted on one snapshot of a project."""

    snapshot: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    recipe: FitRecipe = FitRecipe()
    allow_affected: bool = Field(default=False, description="fit a snapshot that descends from a withdrawn subject")


def check_fit(project: Project, request: FitRequest) -> SnapshotFolder:
    """Open the snapshot of `request`, and refuse what cannot be fitted before hours are spent on it.

    Raises BadInput for a name that cannot be a directory, NotFound without the snapshot, Conflict when the name stands
    for a generator of another snapshot or recipe, AffectedRefused when a withdrawal reaches the snapshot.
    """
    check_name(request.name, "generator")
    folder = open_snapshot(project, request.snapshot)
    with project.database.read() as session:
        cards = [generator.card for generator in list_generators(session) if generator.name == request.name]
    recipe = request.recipe.model_dump(mode="json")
    if any((card["fitted_on"]["digest"], card.get("recipe")) != (folder.digest, recipe) for card in cards):
        raise Conflict(f"generator {request.name!r} exists, of another snapshot or recipe. Choose another --name.")
    refuse_affected(f"snapshot {request.snapshot!r}", folder.affected, request.allow_affected)
    return folder


def queue_fit(project: Project, request: FitRequest, now: datetime) -> Job:
    """Queue a fit for a worker; raises what `check_fit` raises. The worker checks again."""
    check_fit(project, request)
    with project.database.write() as session:
        return enqueue_request(session, now, "fit", request.model_dump(mode="json"))
