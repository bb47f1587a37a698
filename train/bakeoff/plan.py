"""The plan of a bake-off: what every contestant gets, and the request that runs it. Torch-free."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from curation.errors import BadInput
from curation.requests import FrozenRequest
from train.backbones.shipped import SHIPPED

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Factor = Annotated[float, Field(gt=0)]


class BakeoffPlan(FrozenRequest):
    """What every contestant gets: the images, the backbone, the budget of steps, the seeds, the tuning."""

    snapshot: str = Field(min_length=1)
    backbone: str = Field(default=SHIPPED, min_length=1)
    steps: int = Field(default=200, ge=1, description="optimiser steps of whatever is trained by steps")
    batch_size: int = Field(default=16, ge=1)
    evaluations: int = Field(default=5, ge=1, description="how often validation chooses the weights that are kept")
    seeds: tuple[Seed, ...] = (0, 1)
    rate_factors: tuple[Factor, ...] = Field(
        default=(1.0,),
        description="times the default learning rate of a method: each is tried with the first seed, and the lowest "
        "validation loss decides",
    )
    n_bootstrap: int = Field(default=1000, ge=100, description="resamples of subjects")
    confidence: float = Field(default=0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, values in (("seeds", self.seeds), ("rate_factors", self.rate_factors)):
            if not values or len(set(values)) != len(values):
                raise BadInput(f"expected {name} without repeats, and at least one; got {list(values)}.")
        return self

    def entries(self) -> dict[str, int | str]:
        """The entries of an adaptation's configuration that every contestant starts from."""
        return {name: getattr(self, name) for name in ("backbone", "steps", "batch_size", "evaluations")}


class BakeoffRequest(FrozenRequest):
    """What is read for a bake-off, and what is allowed."""

    split: Literal["validation", "test"] = "validation"
    allow_unknown_provenance: bool = False
    allow_affected: bool = Field(default=False, description="use what descends from a withdrawn subject")
