"""The recipe of pretraining from a given backbone. Torch-free."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from curation.errors import BadInput
from curation.requests import FrozenRequest
from train.backbones.names import absolute_location
from train.backbones.shipped import SHIPPED
from train.pretraining.objective_table import AnyObjective

LEARNING_RATES = {"lora": 5e-4, "full": 5e-5}


class ViewSettings(FrozenRequest):
    """How an image is changed before a network sees it."""

    smallest_area: float = Field(default=0.5, gt=0, le=1, description="the least share of the image that a view shows")
    local_areas: tuple[float, float] = Field(default=(0.1, 0.4), description="share of the image in a local crop")
    brightness: float = Field(default=0.2, ge=0, description="largest shift, in deviations of the input")
    contrast: float = Field(default=0.2, ge=0, lt=1, description="largest change of the factor")
    flip: bool = Field(default=False, description="mirror half of the images left to right; sides then mean nothing")


class ContinuedRecipe(FrozenRequest):
    """Which backbone learns what, on how many steps, and which of its weights change."""

    name: str = Field(min_length=1)
    objective: Annotated[AnyObjective, Field(discriminator="kind")]
    backbone: str = Field(default=SHIPPED, description="a registered name, a Hugging Face id or a directory")
    input_size: int | None = Field(default=None, ge=8, description="unset: what the backbone's files say")
    trainable: Literal["lora", "full"] = "lora"
    lora_rank: int = Field(default=8, ge=1)
    lora_alpha: int = Field(default=16, ge=1)
    with_approved: bool = Field(default=False, description="also fit the approved synthetic images of the snapshot")
    anchor: float = Field(default=0.0, ge=0, description="weight of the distance to the features it starts from")
    views: ViewSettings = ViewSettings()
    steps: int = Field(default=200, ge=1)
    batch_size: int = Field(default=32, ge=2)
    learning_rate: float | None = Field(default=None, gt=0, description="unset: 5e-4 with lora, 5e-5 with full")
    weight_decay: float = Field(default=0.04, ge=0)
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    held_out: int = Field(default=32, ge=2, description="training images kept from the fit to report a loss")
    checkpoint_every: int = Field(default=25, ge=1)
    probe_images: int = Field(default=2_000, ge=2, description="real training images that the probes are fitted to")
    seed: int = Field(default=0, ge=0, lt=2**63)
    allow_unknown_provenance: bool = Field(
        default=False, description="take a backbone whose card does not say what it saw; every report then says so"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.views.local_areas
        if not 0 < low <= high <= 1:
            raise BadInput(
                f"views.local_areas: expected two shares with 0 < low <= high <= 1, got {low:g} and {high:g}."
            )
        return self

    def effective_learning_rate(self) -> float:
        """The learning rate that is set, or the default for what trains."""
        return self.learning_rate or LEARNING_RATES[self.trainable]

    def backbone_names(self) -> tuple[str, ...]:
        """The backbones that the weights descend from: the start, and a teacher where there is one."""
        teacher = self.objective.teacher_name
        return tuple(dict.fromkeys((self.backbone, *([teacher] if teacher else []))))

    def resolved(self, near: Path) -> Self:
        """Name the directories of backbones in full: a worker may run in another directory."""
        objective = self.objective.with_teacher(lambda name: absolute_location(name, near))
        return self.model_copy(update={"backbone": absolute_location(self.backbone, near), "objective": objective})
