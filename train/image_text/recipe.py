"""The recipe of an alignment of images with text. Torch-free."""

from typing import Literal

from pydantic import Field

from curation.requests import FrozenRequest

CaptionSource = Literal["captions", "class-names", "captions-or-class-names"]


class AlignmentRecipe(FrozenRequest):
    """Contrastive alignment of two towers in one space, the image tower locked (LiT, Zhai et al. 2022)."""

    dimension: int = Field(default=128, ge=2, description="of the common space")
    loss: Literal["infonce", "sigmoid"] = "infonce"
    captions: CaptionSource = Field(
        default="captions", description="what an image is paired with; class names are worded by templates"
    )
    train_text_tower: bool = Field(default=False, description="locked text towers need one pass over the captions")
    steps: int = Field(default=300, ge=1)
    batch_size: int = Field(default=128, ge=2)
    learning_rate: float = Field(default=3e-4, gt=0)
    text_learning_rate: float = Field(default=2e-5, gt=0, description="of the text tower, where it is trained")
    weight_decay: float = Field(default=0.1, ge=0)
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    dropout: float = Field(default=0.5, ge=0, lt=1, description="of the standardised features of both towers")
    temperature: float = Field(default=0.07, gt=0, le=1, description="at the first step; it is learned")
    evaluations: int = Field(default=10, ge=1, description="how often the loss on validation pairs is noted")
    seed: int = Field(default=0, ge=0, lt=2**63)

    @property
    def warmup_steps(self) -> int:
        """Steps of the linear warm-up."""
        return max(1, round(self.steps * self.warmup_fraction))
