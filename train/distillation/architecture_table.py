"""The architectures of a small network: what each is called and which settings it has. Torch-free.

An architecture is a class here, named in `Architecture`, and a module of its name in `architectures`, which
`implementation.py` loads.
"""

from abc import abstractmethod
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from curation.errors import BadInput
from curation.requests import FrozenRequest

Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


class ArchitectureConfig(FrozenRequest):
    """The base of an architecture's settings; `kind` is its name in recipes."""

    kind: str
    hidden_sizes: Sizes = Field(default=(64, 128, 256), description="channels of each stage")
    depths: Sizes = Field(default=(2, 2, 2), description="blocks of each stage")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.hidden_sizes) != len(self.depths):
            raise BadInput(
                f"expected as many depths as hidden_sizes, got {len(self.depths)} and {len(self.hidden_sizes)}."
            )
        return self

    @property
    @abstractmethod
    def first_stride(self) -> int:
        """How many pixels a side one place of the first stage covers."""

    @property
    def stride(self) -> int:
        """How many pixels a side one place of the feature map covers: each stage but the first halves the map."""
        return self.first_stride << (len(self.depths) - 1)


class ResNet(ArchitectureConfig):
    """Plain 3 x 3 convolutions with batch normalisation (He et al. 2015, arXiv:1512.03385)."""

    kind: Literal["resnet"] = "resnet"
    embedding_size: PositiveInt = Field(default=32, description="channels of the first convolution")

    @property
    def first_stride(self) -> int:
        """The first convolution and the pooling after it halve the image each."""
        return 4


class ConvNext(ArchitectureConfig):
    """Depthwise convolutions with layer normalisation (Liu et al. 2022, arXiv:2201.03545)."""

    kind: Literal["convnext"] = "convnext"
    depths: Sizes = Field(default=(1, 2, 3), description="blocks of each stage")
    patch_size: PositiveInt = Field(default=4, description="width and stride of the first convolution")
    layer_scale: float = Field(default=0.1, gt=0, description="initial scale of each block's branch")

    @property
    def first_stride(self) -> int:
        """The side of a patch."""
        return self.patch_size


Architecture = Annotated[ResNet | ConvNext, Field(discriminator="kind")]
