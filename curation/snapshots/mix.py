"""The recipe of a snapshot as data: which images, which limits, which weights."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from curation.digests import digest_of
from curation.requests import FrozenRequest

Positive = Annotated[float, Field(gt=0)]
# Fields that came after the first release: at their defaults they leave a recipe's digest as it was.
LATER = (
    *("classes", "outcomes", "allow_grid", "allow_proxy", "min_agreement", "screening"),
    *("max_per_generator", "max_generator_share", "balance", "weights"),
)


class CheckLimit(FrozenRequest):
    """The range that a screening check must lie in; an image without a value of it is left out."""

    check: str = Field(min_length=1)
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"the limit on {self.check!r} needs at_least, at_most or both")
        return self


class ScreeningLimits(FrozenRequest):
    """What the newest finished screening must say of a synthetic image. Privacy blocks never enter."""

    admit: Literal["any", "flag", "pass"] = Field(default="any", description="`flag` takes pass and flag, no block")
    checks: tuple[CheckLimit, ...] = ()


class Weights(FrozenRequest):
    """The weight of a training image: the factor of its origin times that of its class; 1 where none is named."""

    origins: dict[Literal["real", "synthetic"], Positive] = Field(default_factory=dict)
    classes: dict[str, Positive] = Field(default_factory=dict)
    normalise: bool = Field(default=False, description="scale so that the mean weight of the training split is 1")


class MixRecipe(FrozenRequest):
    """The choice of images for a snapshot. Synthetic images and extra real ones go into the training split only.

    Agreement is the share of the readings an approval counts (those of people; of proxies only where no person read)
    that say what the outcome says: accept, and the same class. Unsure does not agree. One reading agrees with nobody:
    `min_agreement` asks for two or more.
    """

    synthetic: Literal["none", "approved", "raw", "random"] = "approved"
    extra_real: Literal["none", "duplicated", "reserve"] = "none"
    max_ratio: float | None = Field(default=None, gt=0, description="synthetic images per real training image, at most")
    real_per_class: int | None = Field(default=None, gt=0, description="keep this many real training images per class")
    worklists: tuple[str, ...] = Field(default=(), description="whose outcomes count; none named means all")
    corrected_labels: bool = True
    allow_unknown_provenance: bool = False
    seed: int = 0
    classes: tuple[str, ...] = Field(default=(), description="take images of these alone; none named means all")
    outcomes: Literal["all", "adjudicated", "unadjudicated"] = "all"
    allow_grid: bool = Field(default=True, description="outcomes that rest on a verdict given for a page count")
    allow_proxy: bool = Field(default=True, description="outcomes that rest on models alone count")
    min_agreement: float | None = Field(default=None, gt=0, le=1)
    screening: ScreeningLimits = ScreeningLimits()
    max_per_generator: int | None = Field(default=None, gt=0, description="synthetic images of one generator, at most")
    max_generator_share: float | None = Field(default=None, gt=0, le=1, description="of all synthetic images, at most")
    balance: Literal["none", "cap", "weights"] = Field(
        default="none",
        description="`cap`: as many training images of every class, real ones first; `weights`: equal total weight",
    )
    weights: Weights = Weights()

    @model_validator(mode="after")
    def _classes_are_named_once(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes are named once each")
        return self

    def digest(self) -> str:
        """Compute SHA-256 of the recipe as canonical JSON."""
        default = type(self)()
        same = {name for name in LATER if getattr(self, name) == getattr(default, name)}
        return digest_of(self.model_dump(mode="json", exclude=same))

    @property
    def needs_outcomes(self) -> bool:
        """Tell whether the choice depends on readings."""
        return self.synthetic in ("approved", "random") or self.extra_real != "none"

    @property
    def takes_synthetic(self) -> bool:
        """Tell whether the choice needs synthetic images, to take them or to count them."""
        return self.synthetic != "none" or self.extra_real != "none"
