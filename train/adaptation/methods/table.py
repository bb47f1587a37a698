"""The table of adaptation methods: what each is called and which settings it has. Torch-free.

A method is a class here, named in `AnyMethod`, and a module of its name beside this file, which `implementation.py`
loads. Its entries are saved flat as KIND_ENTRY: a saved configuration reads `"adaptation": "lora", "lora_rank": 8`.
"""

from typing import Any, ClassVar, Literal, get_args

from pydantic import Field

from curation.requests import FrozenRequest


class MethodConfig(FrozenRequest):
    """The base of a method's settings; `kind` is its name in commands and saved files."""

    kind: str
    default_learning_rate: ClassVar[float]
    frozen_encoder: ClassVar[bool] = False  # the head alone trains, so features are computed once and shared
    always_saved: ClassVar[bool] = False  # its entries stand in the saved configuration of every method

    @classmethod
    def kind_name(cls) -> str:
        """The name of the method."""
        return str(cls.model_fields["kind"].default)

    @classmethod
    def prefix(cls) -> str:
        """What the saved names of the settings begin with."""
        return f"{cls.kind_name().replace('-', '_')}_"

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The settings under their saved names, at their defaults."""
        return {cls.prefix() + name: field.default for name, field in cls.model_fields.items() if name != "kind"}

    def as_entries(self) -> dict[str, Any]:
        """The settings under their saved names."""
        return {self.prefix() + name: value for name, value in self.model_dump(mode="json", exclude={"kind"}).items()}


class LinearProbe(MethodConfig):
    """A linear head on features of the frozen encoder."""

    kind: Literal["linear-probe"] = "linear-probe"
    default_learning_rate = 1e-2
    frozen_encoder = True


class Lora(MethodConfig):
    """Low-rank updates of the attention's linear layers (Hu et al. 2021, arXiv:2106.09685)."""

    kind: Literal["lora"] = "lora"
    rank: int = Field(default=8, ge=1)
    alpha: int = Field(default=16, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    default_learning_rate = 1e-3
    always_saved = True  # release 0.1 saved these entries for every method, and its digests must not change


class Full(MethodConfig):
    """Every weight of the encoder and the head."""

    kind: Literal["full"] = "full"
    default_learning_rate = 1e-4


AnyMethod = LinearProbe | Lora | Full
METHODS: dict[str, type[MethodConfig]] = {row.kind_name(): row for row in get_args(AnyMethod)}
DEFAULT_METHOD: AnyMethod = LinearProbe()
