"""What a fit is asked for as data: which snapshot, by which recipe, under which name. Torch-free."""

from typing import Annotated

from pydantic import Field

from curation.requests import FrozenRequest
from generate.latent_flow.recipe import FitRecipe


class FitRequest(FrozenRequest):
    """One generator fitted on one snapshot of a project."""

    snapshot: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    recipe: FitRecipe = FitRecipe()
    allow_affected: bool = Field(default=False, description="fit a snapshot that descends from a withdrawn subject")
