"""The request for a fit in a project: snapshot, recipe and name. Torch-free."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from curation.errors import Conflict
from curation.jobs import enqueue_request
from curation.project import Project
from curation.provenance.leaks import check_generator_allowed
from curation.provenance.withdrawn import affected_note, refuse_affected
from curation.requests import FrozenRequest, check_name
from curation.snapshots.build import open_snapshot
from curation.snapshots.folder import SnapshotFolder
from curation.tables.operations import Job
from curation.tables.withdrawals import AffectedKind
from generate.latent_flow.autoencoder_source import AutoencoderSource
from generate.latent_flow.recipe import FitRecipe
from generate.registry import find_generator, list_generators, resolve_directory


class FitRequest(FrozenRequest):
    """One generator fitted on one snapshot of a project."""

    snapshot: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    recipe: FitRecipe = FitRecipe()
    allow_affected: bool = Field(default=False, description="fit a snapshot that descends from a withdrawn subject")
    autoencoder_from: str | None = Field(
        default=None, min_length=1, description="a generator of the project whose autoencoder is taken over"
    )


def check_fit(project: Project, request: FitRequest) -> tuple[SnapshotFolder, AutoencoderSource | None]:
    """Open the snapshot of `request`, and refuse what cannot be fitted before hours are spent on it.

    Also opens the generator whose autoencoder is taken over. Raises BadInput for a name that cannot be a directory,
    NotFound without the snapshot or that generator, Conflict when the name stands for a generator of another snapshot
    or recipe, LeakRefused and AffectedRefused when a held-out or a withdrawn subject reaches either.
    """
    check_name(request.name, "generator")
    folder = open_snapshot(project, request.snapshot)
    source = open_autoencoder(project, request) if request.autoencoder_from else None
    recipe = request.recipe
    if source is not None:
        source.refuse_other_images(folder)
        recipe = source.recipe_with(recipe)
    with project.database.read() as session:
        cards = [generator.card for generator in list_generators(session) if generator.name == request.name]
    saved = recipe.model_dump(mode="json")
    if any((card["fitted_on"]["digest"], card.get("recipe")) != (folder.digest, saved) for card in cards):
        raise Conflict(f"generator {request.name!r} exists, of another snapshot or recipe. Choose another --name.")
    refuse_affected(f"snapshot {request.snapshot!r}", folder.affected, request.allow_affected)
    return folder, source


def open_autoencoder(project: Project, request: FitRequest) -> AutoencoderSource:
    """Open the generator whose autoencoder `request` takes over, under the guards of its images.

    Raises NotFound without it, LeakRefused when it saw a held-out subject of this project, AffectedRefused when it saw
    a withdrawn one and that is not allowed.
    """
    name = str(request.autoencoder_from)
    with project.database.read() as session:
        generator = find_generator(session, name)
        check_generator_allowed(session, generator)
        note = affected_note(session, AffectedKind.GENERATOR, generator.id)
        directory = resolve_directory(project, generator)
    refuse_affected(f"generator {name!r}", [note] if note else [], request.allow_affected)
    return AutoencoderSource.read(directory, name)


def queue_fit(project: Project, request: FitRequest, now: datetime) -> Job:
    """Queue a fit for a worker; raises what `check_fit` raises. The worker checks again."""
    check_fit(project, request)
    with project.database.write() as session:
        return enqueue_request(session, now, "fit", request.model_dump(mode="json", exclude_none=True))
