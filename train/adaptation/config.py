"""The configuration of a run: how a backbone is adapted to a snapshot."""

from typing import Literal

from pydantic import Field

from curation.requests import FrozenRequest
from train.backbones.shipped import SHIPPED


class AdaptationConfig(FrozenRequest):
    """How a backbone is adapted to a snapshot."""

    adaptation: Literal["linear-probe", "lora", "full"] = "linear-probe"
    backbone: str = Field(default=SHIPPED, description="`shipped`, a Hugging Face id or a directory")
    steps: int | None = Field(default=None, ge=1, description="optimiser steps; unset: `epochs` over the snapshot")
    epochs: int = Field(default=30, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float | None = Field(default=None, gt=0, description="unset: the default of the adaptation")
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    class_balanced: bool = True
    seed: int = Field(default=0, ge=0)
    evaluations: int = Field(default=20, ge=1, description="how often validation is read during training")
    patience: int | None = Field(
        default=5,
        ge=1,
        description="evaluations without a better validation loss before stopping; null: take every step",
    )
    allow_unknown_provenance: bool = Field(
        default=False, description="take a backbone that does not say what it saw; every report then says so"
    )
    lora_rank: int = Field(default=8, ge=1)
    lora_alpha: int = Field(default=16, ge=1)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)

    def effective_learning_rate(self) -> float:
        """The learning rate given, or the default of the adaptation: fewer free weights bear a higher one."""
        return self.learning_rate or {"linear-probe": 1e-2, "lora": 1e-3, "full": 1e-4}[self.adaptation]

    def total_steps(self, n_images: int) -> int:
        """Optimiser steps for `n_images` training images."""
        return self.steps or self.epochs * max(1, -(-n_images // self.batch_size))
