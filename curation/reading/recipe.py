"""The recipe of a worklist: which images it holds, and how they are read."""

from typing import Literal

from pydantic import Field

from curation.requests import FrozenRequest
from curation.tables.reading import Worklist


class ExclusionRule(FrozenRequest):
    """The limits beyond which a reader is excluded from the evidence; fixed before anyone reads."""

    min_sensitivity: float | None = Field(default=None, ge=0, le=1, description="share of planted defects rejected")
    max_false_rejects: float | None = Field(default=None, ge=0, le=1, description="share of real images rejected")
    min_repeat_agreement: float | None = Field(default=None, ge=0, le=1, description="share of repeats read alike")
    min_median_ms: int | None = Field(default=None, ge=0, description="median time per image, idle time left out")


class WorklistRecipe(FrozenRequest):
    """What a worklist holds and how it is read."""

    name: str = Field(min_length=1, max_length=100)
    kind: Literal["verdict", "turing"] = "verdict"
    batches: tuple[int, ...] = Field(default=(), description="batch ids; none named means every screened batch")
    include: tuple[Literal["pass", "flag"], ...] = ("pass", "flag")
    limit: int | None = Field(default=None, gt=0, description="at most this many candidates, chosen by the seed")
    again: bool = Field(default=False, description="take images that have an outcome already as well")
    readers: tuple[str, ...] = Field(default=(), description="names of those who may read; none means every reader")
    readers_per_image: int = Field(default=1, ge=1, le=5)
    shares: Literal["pooled", "allotted"] = Field(
        default="pooled", description="allotted deals candidates out to readers"
    )
    rule: Literal["single", "majority", "unanimous", "adjudicated"] = "single"
    order: Literal["random", "batch", "flags", "priority"] = "random"
    label_shown: bool = True
    grid: bool = Field(default=True, description="readers may read pages of 12, 24 or 48; only where labels show")
    grid_audit_share: float = Field(default=0.1, ge=0, le=1, description="of images left unmarked in a grid")
    ratings: bool = Field(default=False, description="offer ratings of anatomy, typicality and quality, 1 to 5")
    real_controls: int = Field(default=0, ge=0)
    defect_controls: int = Field(default=0, ge=0, description="images with a planted defect")
    repeat_share: float = Field(default=0.0, ge=0, le=0.5, description="of images, shown once more unknowingly")
    gate_audit_share: float = Field(
        default=0.0, ge=0, le=1, description="of images that screening blocked, never for privacy, read as an audit"
    )
    practice: int = Field(default=0, ge=0, le=200, description="images with feedback before a reader starts")
    modality: Literal["general", "mr", "ct", "xray", "ultrasound", "histology"] = "general"
    window: tuple[float, float] | None = Field(
        default=None, description="centre and width in stored values; settled when the worklist is made"
    )
    lease_s: int = Field(default=600, ge=60, le=86_400)
    margin: float | None = Field(default=None, gt=0.5, lt=1, description="a Turing test's AUC for indistinguishable")
    exclusion: ExclusionRule = ExclusionRule()
    vocabulary: str = "general"
    question: str | None = Field(default=None, max_length=500)
    seed: int = 0


# Earlier versions stored recipes without these keys; such a worklist is read by these values, not by the defaults.
VALUES_OF_EARLIER_VERSIONS = {"order": "batch", "grid": False, "grid_audit_share": 0.0}


def recipe_of(worklist: Worklist) -> WorklistRecipe:
    """Parse the recipe stored with a worklist, also one that an earlier version stored."""
    stored = {key: value for key, value in worklist.recipe.items() if value is not None}
    known = {key: stored[key] for key in WorklistRecipe.model_fields.keys() & stored.keys()}
    return WorklistRecipe.model_validate({"name": worklist.name, **VALUES_OF_EARLIER_VERSIONS, **known})
