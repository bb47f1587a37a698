"""The table of adaptations: every method with its settings. Torch-free.

A method is one row in the file of its family; what fits, saves and loads it is the module that the row names.
"""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from train.adaptation.rows import heads, inserted, peft_adapters, weights
from train.adaptation.rows.heads import LinearProbe
from train.adaptation.rows.row import FAMILIES, Adaptation, MethodConfig

METHODS: dict[str, type[MethodConfig]] = {
    settings.row.name: settings for settings in (*heads.ROWS, *weights.ROWS, *peft_adapters.ROWS, *inserted.ROWS)
}
DEFAULT_METHOD = LinearProbe()

if TYPE_CHECKING:
    AnyMethod = MethodConfig
else:
    AnyMethod = Annotated[Union[tuple(METHODS.values())], Field(discriminator="kind")]  # noqa: UP007


def rows_by_family() -> dict[str, list[Adaptation]]:
    """The rows of every family, in the order of the table."""
    rows = [settings.row for settings in METHODS.values()]
    return {family: [row for row in rows if row.family == family] for family in FAMILIES}
