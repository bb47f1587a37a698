"""The recipe of distilling a small network from a teacher. Torch-free."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from curation.errors import BadInput
from train.pretraining.recipe import ImageRecipe

Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


class DistilRecipe(ImageRecipe):
    """Feature distillation into a small ConvNeXt (Liu et al. 2022, arXiv:2201.03545)."""

    patch_size: int = Field(default=4, ge=1, description="width and stride of the first convolution")
    hidden_sizes: Sizes = Field(default=(64, 128, 256), description="channels of each stage")
    depths: Sizes = Field(default=(1, 2, 3), description="blocks of each stage")
    layer_scale: float = Field(default=0.1, gt=0, description="initial scale of each block's branch")
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
        if len(self.hidden_sizes) != len(self.depths):
            raise BadInput(
                f"expected as many depths as hidden_sizes, got {len(self.depths)} and {len(self.hidden_sizes)}."
            )
        if self.image_size % self.stride:
            raise BadInput(
                f"image_size {self.image_size} does not divide by {self.stride} (patch_size {self.patch_size}, halved "
                f"{len(self.depths) - 1} times). Change image_size or patch_size, or take fewer stages."
            )
        return self

    @property
    def stride(self) -> int:
        """How many pixels a side one place of the feature map covers: each stage but the first halves the map."""
        return self.patch_size << (len(self.depths) - 1)

    @property
    def grid(self) -> int:
        """The side of the feature map that the small network gives."""
        return self.image_size // self.stride
