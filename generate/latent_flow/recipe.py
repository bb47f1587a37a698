"""The recipe of a fit: frozen, hashed, saved beside the weights. Torch-free."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt

from curation.errors import BadInput, NotFound
from curation.requests import FrozenRequest
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


class FlowRecipe(PhaseRecipe):
    """A class-conditional UNet on the normalised latents, trained by rectified flow with logit-normal time."""

    steps: PositiveInt = 2000
    batch_size: PositiveInt = 64
    learning_rate: Annotated[float, Field(gt=0.0)] = 5e-4
    block_out_channels: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (128, 192)
    layers_per_block: PositiveInt = 2
    attention_head_dim: PositiveInt = 32
    label_drop: Fraction = 0.1


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

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a recipe from JSON; raises NotFound, or BadInput naming each field that does not hold."""
        path = Path(path)
        if not path.is_file():
            raise NotFound(
                f"no recipe at {path}: expected a JSON file such as generate/shipped/virtual-brains-flow.recipe.json."
            )
        try:
            return cls.parse(path.read_text())
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from error
