"""The table of pretraining objectives: what each is called and which settings it has. Torch-free.

An objective is a class here, named in `AnyObjective`, and a module of its name in `objectives`, which
`implementation.py` loads. `needs` names the fields of `TrainingBatch` that its loss reads.
"""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field

from curation.requests import FrozenRequest

Temperature = Annotated[float, Field(gt=0)]


class ObjectiveConfig(FrozenRequest):
    """The base of an objective's settings; `kind` is its name in commands and saved files."""

    kind: str
    needs: ClassVar[tuple[str, ...]]
    networks: ClassVar[str]  # which networks it takes, in words
    paper: ClassVar[str]

    @classmethod
    def kind_name(cls) -> str:
        """The name of the objective."""
        return str(cls.model_fields["kind"].default)

    def batch_needs(self) -> tuple[str, ...]:
        """The fields that a batch must hold with these settings."""
        return self.needs

    @property
    def teacher_name(self) -> str | None:
        """The backbone that it learns from, where there is one."""
        return None

    def with_teacher(self, rename: Callable[[str], str]) -> Self:
        """The same settings with the teacher named otherwise."""
        return self

    def variants(self) -> dict[str, Self]:
        """The settings to try, by a name; validation chooses among them where there are several."""
        return {self.kind: self}


class MaskedAutoencoding(ObjectiveConfig):
    """Predict the pixels of patches that the encoder never got (He et al. 2021, arXiv:2111.06377)."""

    kind: Literal["masked-autoencoding"] = "masked-autoencoding"
    mask_ratio: float = Field(default=0.75, gt=0, lt=1)
    normalized_targets: bool = Field(
        default=True, description="predict each patch with its own mean and deviation removed"
    )
    decoder_hidden_size: int = Field(default=128, ge=16, multiple_of=16)
    decoder_num_layers: int = Field(default=2, ge=1)
    needs = ("images", "noise")
    networks = "ViT, DINOv2 (with registers too) and ViT-MAE, which can leave patches out"
    paper = "He et al. 2021, arXiv:2111.06377"


class SimMim(ObjectiveConfig):
    """Predict the pixels of cells that were covered in the input (Xie et al. 2022, arXiv:2111.09886)."""

    kind: Literal["simmim"] = "simmim"
    mask_ratio: float = Field(default=0.6, gt=0, lt=1)
    needs = ("images", "noise")
    networks = (
        "all; ViT and DINOv2 with a mask token get it in place of a patch, others a learned colour in place of pixels"
    )
    paper = "Xie et al. 2022, arXiv:2111.09886"


class Contrastive(ObjectiveConfig):
    """Tell two views of an image from those of all others: SimCLR (Chen et al. 2020, arXiv:2002.05709)."""

    kind: Literal["contrastive"] = "contrastive"
    temperature: Temperature = 0.2
    projection_size: int = Field(default=128, ge=2)
    needs = ("views",)
    networks = "all"
    paper = "Chen et al. 2020, arXiv:2002.05709"


class SelfDistillation(ObjectiveConfig):
    """Agree with the student's own moving average across crops: DINO (Caron et al. 2021, arXiv:2104.14294)."""

    kind: Literal["self-distillation"] = "self-distillation"
    num_prototypes: int = Field(default=1024, ge=2)
    num_local_crops: int = Field(default=4, ge=0)
    local_crop_share: float = Field(default=0.5, gt=0, lt=1, description="side of a local crop to that of the input")
    student_temperature: Temperature = 0.1
    first_teacher_temperature: Temperature = 0.04
    teacher_temperature: Temperature = 0.07
    temperature_warmup: float = Field(default=0.3, ge=0, le=1, description="share of the steps that the rise takes")
    teacher_momentum: float = Field(default=0.99, ge=0, lt=1, description="at the first step; 1 at the last")
    centre_momentum: float = Field(default=0.9, ge=0, lt=1)
    networks = "all that take smaller crops; where a network does not, set num_local_crops to 0"
    needs = ("views", "crops", "progress")
    paper = "Caron et al. 2021, arXiv:2104.14294"


class FeatureDistillation(ObjectiveConfig):
    """Learn the class and patch features of another backbone (Romero et al. 2014, arXiv:1412.6550)."""

    kind: Literal["feature-distillation"] = "feature-distillation"
    teacher: str = Field(min_length=1, description="a registered name, a Hugging Face id or a directory")
    teacher_input_size: int | None = Field(default=None, ge=8, description="unset: what the teacher's files say")
    needs = ("images",)
    networks = "all, as student and as teacher"
    paper = "Romero et al. 2014, arXiv:1412.6550"

    @property
    def teacher_name(self) -> str:
        """The teacher."""
        return self.teacher

    def with_teacher(self, rename: Callable[[str], str]) -> Self:
        """The same settings with the teacher named otherwise."""
        return self.model_copy(update={"teacher": rename(self.teacher)})


SelfSupervised = Annotated[
    MaskedAutoencoding | SimMim | Contrastive | SelfDistillation | FeatureDistillation, Field(discriminator="kind")
]


class Hybrid(ObjectiveConfig):
    """Learn labels and a self-supervised objective on the same batch, its weight chosen on validation."""

    kind: Literal["hybrid"] = "hybrid"
    self_supervised: SelfSupervised = Contrastive()
    weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(0.1, 0.3, 1.0), min_length=1, description="each is fitted; validation chooses"
    )
    needs = ("images", "labels")
    networks = "those of its self-supervised objective"
    paper = "Zhai et al. 2019, arXiv:1905.03670"

    def batch_needs(self) -> tuple[str, ...]:
        """What labels need, and the self-supervised objective."""
        return tuple(dict.fromkeys((*self.needs, *self.self_supervised.batch_needs())))

    @property
    def teacher_name(self) -> str | None:
        """That of its self-supervised objective."""
        return self.self_supervised.teacher_name

    def with_teacher(self, rename: Callable[[str], str]) -> Self:
        """The same settings with the teacher of its self-supervised objective named otherwise."""
        return self.model_copy(update={"self_supervised": self.self_supervised.with_teacher(rename)})

    def variants(self) -> dict[str, Self]:
        """One variant of each weight."""
        return {f"weight {weight:g}": self.model_copy(update={"weights": (weight,)}) for weight in self.weights}


AnyObjective = MaskedAutoencoding | SimMim | Contrastive | SelfDistillation | FeatureDistillation | Hybrid
OBJECTIVES: dict[str, type[ObjectiveConfig]] = {row.kind_name(): row for row in get_args(AnyObjective)}
