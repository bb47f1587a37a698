"""What to train, as data: frozen requests that are saved verbatim beside what they produced. Never imports torch."""

import hashlib
import json
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from curation.errors import BadInput

ADAPTATIONS = ("linear-probe", "lora", "full")
ARMS = ("real_only", "plus_raw", "plus_approved", "plus_random", "plus_duplicated_real")
SHIPPED = "shipped"


class Request(BaseModel):
    """A request that cannot change after it was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a request saved as JSON; raises BadInput that names the entries at fault."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'request'}: {fault['msg']}" for fault in error.errors()
            )
            raise BadInput(f"expected a {cls.__name__}; {faults}. Correct the JSON.") from error

    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class AdaptationConfig(Request):
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


class StudyPlan(Request):
    """The same adaptation on several arms and seeds, with equal optimiser steps, compared on held-out real subjects."""

    name: str = Field(min_length=1)
    adaptation: AdaptationConfig = AdaptationConfig(steps=400)
    arms: tuple[str, ...] = ARMS
    seeds: tuple[int, ...] = (0, 1, 2)
    reference: str = "real_only"
    primary: str | None = Field(
        default=None, description="the one arm the report's sentence is about; unset: plus_approved, else the first"
    )
    metric: Literal["auroc", "balanced_accuracy"] = "auroc"
    split: Literal["validation", "test"] = "test"
    n_bootstrap: int = Field(default=1000, ge=100)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.adaptation.steps is None:
            raise BadInput("a study needs adaptation.steps: equal optimiser steps in every arm, whatever its size.")
        if len(set(self.arms)) != len(self.arms) or len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise BadInput("expected arms and seeds without repeats, and at least one seed.")
        if self.reference not in self.arms or len(self.arms) < 2:
            raise BadInput(f"expected {self.reference!r} and at least one other arm, got {', '.join(self.arms)}.")
        if self.primary == self.reference or self.primary_arm not in self.arms:
            raise BadInput(f"the primary arm {self.primary!r} is not one of the arms compared with {self.reference!r}.")
        return self

    @property
    def primary_arm(self) -> str:
        """The arm the report's sentence is about; fixed by the plan, not by the results."""
        others = [arm for arm in self.arms if arm != self.reference]
        return self.primary or ("plus_approved" if "plus_approved" in others else others[0])

    def run_config(self, seed: int) -> AdaptationConfig:
        """The configuration of every arm's run with `seed`: every step is taken, none stops early."""
        return self.adaptation.model_copy(update={"seed": seed, "patience": None})


class ReportFacts(Request):
    """What a study's report must say and the study itself cannot know: who read the images, what command ran, when."""

    human_readings: int = Field(default=0, ge=0)
    proxy_readings: int = Field(default=0, ge=0)
    grid_readings: int = Field(default=0, ge=0, description="verdicts given for a whole page; no claim rests on them")
    readers: tuple[str, ...] = Field(default=(), description="readers as they may be named in a report")
    made_by: str = ""
    date: str = ""


class PretrainRecipe(Request):
    """Masked autoencoding (He et al. 2021, arXiv:2111.06377) of a small ViT."""

    name: str = Field(min_length=1)
    image_size: int = Field(default=64, ge=8)
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
    steps: int = Field(ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup_steps: int = Field(default=200, ge=0)
    shift_pixels: int = Field(default=4, ge=0, description="random translation in each direction")
    flip: bool = Field(default=True, description="random left-right mirroring")
    held_out: int = Field(default=128, ge=1, description="training images kept from the fit to report a loss")
    checkpoint_every: int = Field(default=500, ge=1)
    feature_pooling: Literal["cls", "tokens", "tokens-max", "tokens-statistics"] = "tokens-statistics"
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.image_size % self.patch_size or self.hidden_size % self.num_heads:
            raise BadInput("image_size must divide by patch_size, and hidden_size by num_heads.")
        if self.hidden_size % 4 or self.decoder_hidden_size % 4:
            raise BadInput("hidden_size and decoder_hidden_size must divide by 4, for the sine and cosine positions.")
        return self
