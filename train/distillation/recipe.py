"""The recipe of distilling a small network from a teacher. Torch-free."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from curation.errors import BadInput
from train.distillation.architecture_table import Architecture, ResNet
from train.pretraining.recipe import ImageRecipe


class DistilRecipe(ImageRecipe):
    """Feature distillation into a small convolutional network."""

    architecture: Architecture = ResNet()
    feature_pooling: Literal["map", "map-max", "map-statistics"] = Field(
        default="map-statistics", description="of the finished network; the fit does not depend on it"
    )
    teacher_input_size: PositiveInt | None = Field(
        default=None, description="squares that the teacher sees; unset: as its preprocessing says"
    )
    patch_weight: float = Field(default=1.0, ge=0, description="of the loss on patches beside that on the whole image")
    learning_rate: float = Field(default=2e-3, gt=0)
    warmup_steps: int = Field(default=100, ge=0)
    shift_pixels: int = Field(default=2, ge=0, description="random translation; the teacher's features stay")
    checkpoint_every: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        stride, stages = self.architecture.stride, len(self.architecture.depths)
        if self.image_size % stride:
            raise BadInput(
                f"image_size {self.image_size} does not divide by {stride} ({self.architecture.first_stride} pixels a "
                f"place, halved {stages - 1} times). Change image_size, or take fewer stages."
            )
        return self

    @property
    def grid(self) -> int:
        """The side of the feature map that the small network gives."""
        return self.image_size // self.architecture.stride
