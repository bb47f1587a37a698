"""What every method of adaptation says of itself, and the settings of one. Torch-free.

The settings are saved flat as KIND_ENTRY: a saved configuration reads `"adaptation": "lora", "lora_rank": 8`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import Field, create_model

from curation.requests import FrozenRequest

HEADS = "heads on frozen features"
WEIGHTS = "full and partial"
PEFT = "adapters of peft"
INSERTED = "prompts and adapters of our own"
FAMILIES = (HEADS, WEIGHTS, PEFT, INSERTED)
UNVERIFIED = "unverified"  # against no published number: the tests hold the method against its formula or library


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Numbers between two bounds, taken evenly, or evenly by their logarithms."""

    low: float
    high: float
    log: bool = True


@dataclass(frozen=True, slots=True)
class Adaptation:
    """One row of the table of adaptations: commands, documents and tests are made from it."""

    name: str  # in commands and saved files; it never changes
    family: str
    summary: str
    applies_to: str
    paper: str
    learning_rate: float  # the default: fewer free weights bear a higher one
    module: str  # the file of `methods` that implements it
    options: Mapping[str, Any] = field(default_factory=dict)  # what that file has to know of the method
    tuned: Mapping[str, NumberRange | tuple[float, ...]] = field(default_factory=dict)  # what --tune tries
    verified: str = UNVERIFIED  # data, measure, ours, theirs
    frozen_encoder: bool = False  # the head alone is fitted, so features are computed once and shared
    takes_steps: bool = True  # the fit goes step by step; what is solved or fitted to its optimum does not
    summed: bool = False  # the head is solved from sums over the snapshot, which stay with the run
    always_saved: bool = False  # its settings stand in the saved configuration of every method


class MethodConfig(FrozenRequest):
    """The base of a method's settings; `kind` is its name in commands and saved files."""

    kind: str
    row: ClassVar[Adaptation]

    def earlier_run(self) -> str:
        """The directory of the run that this one continues; empty for none."""
        return ""

    @classmethod
    def prefix(cls) -> str:
        """What the saved names of the settings begin with."""
        return f"{cls.row.name.replace('-', '_')}_"

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The settings under their saved names, at their defaults."""
        return {cls.prefix() + name: field.default for name, field in cls.model_fields.items() if name != "kind"}

    def as_entries(self) -> dict[str, Any]:
        """The settings under their saved names."""
        return {self.prefix() + name: value for name, value in self.settings().items()}

    def settings(self) -> dict[str, Any]:
        """The settings under their short names."""
        return self.model_dump(mode="json", exclude={"kind"})


def method_of(row: Adaptation, **defaults: int | float) -> type[MethodConfig]:
    """Make the settings of a method: numbers above 0 with these defaults."""
    fields: dict[str, Any] = {name: (type(value), Field(default=value, gt=0)) for name, value in defaults.items()}
    kind: Any = (Literal[row.name], row.name)
    made: type[MethodConfig] = create_model(
        row.name, __base__=MethodConfig, __doc__=row.summary, __module__=__name__, kind=kind, **fields
    )
    made.row = row
    return made
