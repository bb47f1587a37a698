"""The configuration of a run: how a backbone is adapted to a snapshot. Torch-free."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from train.adaptation.rows.table import DEFAULT_METHOD, METHODS, AnyMethod
from train.adaptation.training_settings import NEED_MOVING_WEIGHTS, NEED_STEPS, TrainingSettings
from train.backbones.names import absolute_location
from train.backbones.shipped import SHIPPED


class AdaptationConfig(TrainingSettings):
    """How a backbone is adapted to a snapshot.

    In Python the settings of a method are an object; saved and hashed they are flat entries beside the others, the
    name of the method under `adaptation`. Either form is read.
    """

    method: Annotated[AnyMethod, Field(discriminator="kind")] = DEFAULT_METHOD
    backbone: str = Field(default=SHIPPED, description="`shipped`, a name of the project, an id or a directory")
    steps: int | None = Field(default=None, ge=1, description="optimiser steps; unset: `epochs` over the snapshot")
    epochs: int = Field(default=30, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float | None = Field(default=None, gt=0, description="unset: the default of the method")
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    class_balanced: bool = True
    seed: int = Field(default=0, ge=0, lt=2**63)
    evaluations: int = Field(default=20, ge=1, description="how often validation is read during training")
    patience: int | None = Field(
        default=5,
        ge=1,
        description="evaluations without a better validation loss before stopping; null: take every step",
    )
    allow_unknown_provenance: bool = Field(
        default=False, description="take a backbone whose card does not say what it saw; every report then says so"
    )

    @model_validator(mode="before")
    @classmethod
    def _read_flat_form(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "method" in values:
            return values
        values = dict(values)
        kind = values.pop("adaptation", DEFAULT_METHOD.kind)
        if kind not in METHODS:
            raise ValueError(f"adaptation: expected one that `rounds adaptations` lists, got {kind!r}")
        method = {"kind": kind}
        for name, settings in METHODS.items():
            for saved, default in settings.defaults().items():
                if saved not in values:
                    continue
                value = values.pop(saved)
                if name == kind:
                    method[saved.removeprefix(settings.prefix())] = value
                elif value != default:
                    raise ValueError(f"{saved} belongs to the adaptation {name}, got it with {kind}")
        return values | {"method": method}

    @model_serializer(mode="wrap")
    def _write_flat_form(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values = serialize(self)
        del values["method"]
        values = self.without_defaults(values)
        entries = {
            saved: value
            for settings in METHODS.values()
            if settings.row.always_saved
            for saved, value in settings.defaults().items()
        }
        return {"adaptation": self.method.kind, **values, **entries, **self.method.as_entries()}

    @model_validator(mode="after")
    def _check_moving_weights(self) -> Self:
        unusable = [name for name in self.changed() if name in NEED_MOVING_WEIGHTS]
        if self.method.row.frozen_encoder and unusable:
            raise ValueError(
                f"{', '.join(unusable)}: for adaptations that move weights of the encoder; {self.method.kind} fits a "
                "head alone, on features that are computed once"
            )
        return self

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        unusable = [name for name in self.changed() if name in NEED_STEPS]
        if not self.method.row.takes_steps and unusable:
            raise ValueError(f"{', '.join(unusable)}: for fits that go step by step; {self.method.kind} takes no steps")
        if self.method.row.summed and self.synthetic_share is not None:
            raise ValueError(f"synthetic_share: {self.method.kind} sums every image by its own weight")
        if self.accumulation > self.batch_size:
            raise ValueError(f"accumulation: expected at most the {self.batch_size} images of a batch")
        return self

    def effective_learning_rate(self) -> float:
        """The learning rate that is set, or the default of the method: fewer free weights bear a higher one."""
        return self.learning_rate or self.method.row.learning_rate

    def total_steps(self, n_images: int) -> int:
        """Optimiser steps for `n_images` training images."""
        return self.steps or self.epochs * self._steps_of_epoch(n_images)

    def patience_steps(self, n_images: int) -> int | None:
        """Steps without a better validation loss before stopping; None: every step is taken."""
        if self.patience_epochs is not None:
            return self.patience_epochs * self._steps_of_epoch(n_images)
        evaluate_every = max(1, self.total_steps(n_images) // self.evaluations)
        return None if self.patience is None else self.patience * evaluate_every

    def min_steps(self, n_images: int) -> int:
        """Steps that are taken before early stopping begins."""
        return self.min_epochs * self._steps_of_epoch(n_images)

    def _steps_of_epoch(self, n_images: int) -> int:
        return max(1, -(-n_images // self.batch_size))


def resolve_backbone(config: AdaptationConfig, near: Path) -> AdaptationConfig:
    """Name the directory of the backbone in full: a worker may run in another directory."""
    return config.model_copy(update={"backbone": absolute_location(config.backbone, near)})
