"""The recipe of a list of pairs: how many of each kind."""

from pydantic import Field

from curation.requests import FrozenRequest


class PairRecipe(FrozenRequest):
    """How many pairs of each kind; suspects are what a privacy check blocked, then what it flagged."""

    name: str = Field(min_length=1, max_length=100)
    suspects: int = Field(default=50, ge=1, le=1_000)
    same: int = Field(default=20, ge=0, le=500, description="pairs known to show one subject")
    different: int = Field(default=20, ge=0, le=500, description="pairs of two subjects of one class")
    seed: int = 0
