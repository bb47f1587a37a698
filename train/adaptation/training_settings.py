"""How a fit is carried out, beyond what release 0.1 could set. Torch-free.

Their defaults are what that release did, and an entry at its default is not saved: so saved configurations keep their
digests, and runs that they describe are made again to the same weights.
"""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from curation.requests import FrozenRequest
from train.augmentation.presets import NONE, PRESETS

Mix = Literal["none", "mixup", "cutmix"]
NEED_MOVING_WEIGHTS = (  # what needs weights of the encoder that move
    "start", "interpolate", "soup", "augment", "mix", "gradient_checkpointing", "precision",
)  # fmt: skip
NEED_STEPS = (  # what needs a fit that goes step by step
    "synthetic", "weighting", "accumulation", "max_gradient_norm", "schedule", "ema_decay", "patience_epochs",
    "min_epochs",
)  # fmt: skip


class TrainingSettings(FrozenRequest):
    """Settings of a fit that are saved only where they are not at their defaults."""

    start: Literal["random", "probe"] = Field(
        default="random",
        description="where weights of the encoder move, what the head starts from: random weights, or the optimum of a "
        "probe on frozen features",
    )
    interpolate: bool = Field(
        default=False, description="keep the point between start and end of the fit that is best on validation"
    )
    soup: int = Field(
        default=1, ge=1, le=100, description="fits from one start with seeds that follow each other, averaged"
    )
    augment: str = Field(default=NONE, description="the preset by which training images are changed at every step")
    mix: Mix = Field(default="none", description="how the images of a batch are mixed with each other")
    mix_alpha: float | None = Field(
        default=None, gt=0, le=100, description="of the Beta distribution of shares; unset: 0.2 mixup, 1.0 cutmix"
    )

    weighting: Literal["sampling", "loss"] = Field(
        default="sampling",
        description="how weights of classes and images count: in how often an image is drawn, or in its loss",
    )
    validation_weighting: Literal["images", "training"] = Field(
        default="images", description="whether validation images count alike in the loss, or as in training"
    )
    accumulation: int = Field(default=1, ge=1, description="portions of a batch, whose gradients add up")
    max_gradient_norm: float | None = Field(default=None, gt=0, description="to which gradients are clipped")
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    ema_decay: float = Field(default=0.0, ge=0, lt=1, description="of a moving average of weights; 0: none")
    gradient_checkpointing: bool = False
    precision: Literal["float32", "auto", "bfloat16"] = Field(
        default="float32", description="what the network computes in; auto: bfloat16 beside float32 on a GPU that can"
    )
    patience_epochs: int | None = Field(
        default=None, ge=1, description="epochs without a better validation loss before stopping, in place of patience"
    )
    min_epochs: int = Field(default=0, ge=0, description="epochs before early stopping begins")
    synthetic: Literal["mixed", "weighted", "pretrain"] = Field(
        default="mixed",
        description="how synthetic images are used: drawn among real ones, weighted in the loss, or seen before them",
    )
    synthetic_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="what synthetic images are given: of the images drawn, of the loss, or of the steps; unset: as "
        "their weights say, and half of the steps",
    )
    tries: int = Field(default=0, ge=0, description="settings that were tried on validation before these were taken")

    @field_validator("augment")
    @classmethod
    def _is_a_preset(cls, augment: str) -> str:
        if augment != NONE and augment not in PRESETS:
            raise ValueError(f"expected {NONE} or a preset of {', '.join(PRESETS)}")
        return augment

    @model_validator(mode="after")
    def _check_mix(self) -> Self:
        if self.mix_alpha is not None and self.mix == "none":
            raise ValueError("mix_alpha belongs to a mix: choose mixup or cutmix beside it, or leave it out")
        return self

    def changed(self) -> list[str]:
        """The settings of this class that are not at their defaults."""
        fields = TrainingSettings.model_fields
        return [name for name, field in fields.items() if getattr(self, name) != field.default]

    def without_defaults(self, values: dict[str, Any]) -> dict[str, Any]:
        """Leave out of saved values the settings of this class that are at their defaults."""
        at_default = TrainingSettings.model_fields.keys() - self.changed()
        return {name: value for name, value in values.items() if name not in at_default}
