"""What an evaluation is asked for as data: which run, on which held-out split. Never imports torch."""

from typing import Literal

from pydantic import Field

from curation.requests import FrozenRequest


class EvaluationRequest(FrozenRequest):
    """One reading of a held-out split by a run."""

    run: str = Field(min_length=1)
    split: Literal["validation", "test"] = "test"
    n_bootstrap: int = Field(default=1000, ge=100, description="resamples of subjects")
    seed: int = Field(default=0, ge=0)
