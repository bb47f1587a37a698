"""The recipe of a fit: frozen, hashed, saved beside the weights. Torch-free."""

from math import gcd
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, ValidationInfo, field_validator, model_validator

from curation.digests import digest_of
from curation.errors import BadInput, NotFound
from curation.requests import FrozenRequest
from generate.pipelines.sizes import DOWNSAMPLING, MAX_NORM_GROUPS, NORM_GROUPS
from train.fitting.recipe import Fraction, PhaseRecipe, Weight


class AutoencoderRecipe(PhaseRecipe):
    """A convolutional autoencoder, 4x down, trained on L1, squared and gradient error with noise on the latents."""

    steps: PositiveInt = 2000
    batch_size: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    block_out_channels: tuple[PositiveInt, PositiveInt] = (48, 96)
    layers_per_block: PositiveInt = 2
    latent_channels: PositiveInt = 4
    squared_weight: Weight = 1.0
    gradient_weight: Weight = 0.5
    latent_noise: Weight = 0.05  # standard deviation, in units of the latents' own

    @field_validator("block_out_channels")
    @classmethod
    def _check_groups(cls, channels: tuple[int, int]) -> tuple[int, int]:
        if any(count % NORM_GROUPS for count in channels):
            raise ValueError(f"expected multiples of {NORM_GROUPS}, the groups of its norms")
        return channels


class FlowRecipe(PhaseRecipe):
    """A class-conditional UNet on the normalised latents, trained by rectified flow with logit-normal time."""

    steps: PositiveInt = 2000
    batch_size: PositiveInt = 64
    learning_rate: Annotated[float, Field(gt=0.0)] = 5e-4
    block_out_channels: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (128, 192)
    layers_per_block: PositiveInt = 2
    attention_head_dim: Annotated[PositiveInt, Field(validate_default=True)] = 32
    label_drop: Fraction = 0.1

    @field_validator("block_out_channels")
    @classmethod
    def _check_groups(cls, channels: tuple[int, ...]) -> tuple[int, ...]:
        groups = norm_groups(channels)
        if min(channels) == groups:
            raise ValueError(
                f"expected more channels than the {groups} groups of its norms at every level: a norm over one channel "
                "takes out time and class"
            )
        return channels

    @field_validator("attention_head_dim")
    @classmethod
    def _check_heads(cls, head_dim: int, others: ValidationInfo) -> int:
        lowest = others.data.get("block_out_channels", (head_dim,))[-1]
        if head_dim > lowest:
            raise ValueError(
                f"attention_head_dim {head_dim} is more than the {lowest} channels of the lowest level, the last of "
                "block_out_channels"
            )
        return head_dim


def norm_groups(channels: tuple[int, ...]) -> int:
    """The number of groups of every norm of a UNet with these channels."""
    return gcd(MAX_NORM_GROUPS, *channels)


class FitRecipe(FrozenRequest):
    """Everything that decides the weights, besides the snapshot."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    origins: tuple[Literal["real", "synthetic"], ...] = ("real",)
    canvas: Literal["pad"] | PositiveInt = "pad"  # pad to a multiple and crop back, or resize to a square and back
    horizontal_flip: bool = False  # only where left and right mean the same
    precision: Literal["float32", "bfloat16"] = "float32"  # of the forward pass; weights and sums stay float32
    weights_dtype: Literal["float32", "float16"] = "float32"  # of the saved files; they load as float32
    checkpoint_every: PositiveInt = 100
    grid_every: PositiveInt = 250
    autoencoder: AutoencoderRecipe = AutoencoderRecipe()
    flow: FlowRecipe = FlowRecipe()

    @model_validator(mode="after")
    def _check_canvas(self) -> Self:
        if self.canvas != "pad" and self.canvas % self.multiple:
            raise ValueError(
                f"canvas: expected a multiple of {self.multiple}, which the autoencoder and {self.flow_levels} levels "
                f"of the flow divide by, got {self.canvas}"
            )
        return self

    @property
    def flow_levels(self) -> int:
        """How many levels the UNet has."""
        return len(self.flow.block_out_channels)

    @property
    def multiple(self) -> int:
        """What the sides of the canvas divide by."""
        return int(DOWNSAMPLING * 2 ** (self.flow_levels - 1))

    def autoencoder_digest(self) -> str:
        """Digest of what decides the weights of the autoencoder, besides the snapshot."""
        return digest_of(self.model_dump(mode="json", exclude={"flow", "weights_dtype"}))

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a recipe from JSON; raises NotFound, or BadInput naming each field that does not hold."""
        path = Path(path)
        if not path.is_file():
            raise NotFound(
                f"no recipe at {path}: expected a JSON file such as generate/shipped/virtual-brains-flow.recipe.json."
            )
        try:
            return cls.parse(path.read_bytes())
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from error
