"""The recipe of masked autoencoding, and what it shares with that of distilling. Torch-free."""

from typing import Literal, Self

from pydantic import Field, model_validator

from curation.errors import BadInput
from curation.requests import FrozenRequest
from curation.snapshots.folder import SnapshotFolder

FEWEST_IMAGES = 30_000  # to start from nothing


class ImageRecipe(FrozenRequest):
    """What a new network learns from unlabelled images: their size, the steps, and how batches are drawn."""

    name: str = Field(min_length=1)
    image_size: int = Field(default=64, ge=8, description="height and width of the new network's input")
    steps: int = Field(ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup_steps: int = Field(default=200, ge=0)
    shift_pixels: int = Field(default=4, ge=0, description="random translation in each direction")
    held_out: int = Field(default=128, ge=1, description="training images kept from the fit to report a loss")
    checkpoint_every: int = Field(default=500, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**63)


class PretrainRecipe(ImageRecipe):
    """Masked autoencoding (He et al. 2021, arXiv:2111.06377) of a small ViT."""

    patch_size: int = Field(default=8, ge=1)
    hidden_size: int = Field(default=192, ge=8)
    num_layers: int = Field(default=6, ge=1)
    num_heads: int = Field(default=3, ge=1)
    decoder_hidden_size: int = Field(default=128, ge=8)
    decoder_num_layers: int = Field(default=2, ge=1)
    decoder_num_heads: int = Field(default=4, ge=1)
    mask_ratio: float = Field(default=0.75, gt=0, lt=1)
    normalized_targets: bool = Field(
        default=True, description="predict each patch with its own mean and deviation removed"
    )
    flip: bool = Field(default=True, description="random left-right mirroring")
    feature_pooling: Literal["cls", "tokens", "tokens-max", "tokens-statistics"] = "tokens-statistics"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.image_size % self.patch_size or self.hidden_size % self.num_heads:
            raise BadInput("image_size must divide by patch_size, and hidden_size by num_heads.")
        if self.hidden_size % 4 or self.decoder_hidden_size % 4:
            raise BadInput("hidden_size and decoder_hidden_size must divide by 4, for the sine and cosine positions.")
        if self.decoder_hidden_size % self.decoder_num_heads:
            raise BadInput("decoder_hidden_size must divide by decoder_num_heads.")
        kept = int(self.num_patches * (1 - self.mask_ratio))
        if not 0 < kept < self.num_patches:
            raise BadInput(
                f"mask_ratio {self.mask_ratio:g} of {self.num_patches} patches hides all or none of them. Change it, "
                "or lower patch_size."
            )
        return self

    @property
    def num_patches(self) -> int:
        """How many patches an image has."""
        return (self.image_size // self.patch_size) ** 2


def refuse_few_images(folder: SnapshotFolder, force: bool) -> None:
    """Raise BadInput below 30,000 real training images, where a given backbone is the better start, unless forced."""
    count = sum(row.origin == "real" for row in folder.rows("train"))
    if count < FEWEST_IMAGES and not force:
        raise BadInput(
            f"expected {FEWEST_IMAGES:,} real training images or more to pretrain from nothing, got {count:,}. "
            "Start from a backbone (--objective with --backbone), or force it with --from-nothing."
        )
