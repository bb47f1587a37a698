"""Read or make the recipe of a pretraining: from a given backbone, or from nothing. Torch-free."""

import json
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from curation.errors import BadInput
from train.pretraining.continued_recipe import ContinuedRecipe
from train.pretraining.recipe import PretrainRecipe

FROM_NOTHING, CONTINUED = "from nothing", "continued"


def kind_of_recipe(values: Any) -> str:
    """Tell the two kinds apart: a recipe with an objective starts from a backbone."""
    has_objective = "objective" in values if isinstance(values, dict) else isinstance(values, ContinuedRecipe)
    return CONTINUED if has_objective else FROM_NOTHING


AnyRecipe = PretrainRecipe | ContinuedRecipe
TaggedRecipe = Annotated[
    Annotated[PretrainRecipe, Tag(FROM_NOTHING)] | Annotated[ContinuedRecipe, Tag(CONTINUED)],
    Discriminator(kind_of_recipe),
]


def read_recipe(text: bytes) -> AnyRecipe:
    """Read a recipe saved as JSON; raises BadInput that names each entry at fault."""
    try:
        kind = kind_of_recipe(json.loads(text))
    except ValueError:  # its own reader says what is wrong with it
        kind = FROM_NOTHING
    return ContinuedRecipe.parse(text) if kind == CONTINUED else PretrainRecipe.parse(text)


def make_recipe(name: str, objective: str, teacher: str | None = None, **values: Any) -> ContinuedRecipe:
    """Make a recipe of an objective by its name, everything not given at its default; raises BadInput."""
    if (teacher is not None) != (objective == "feature-distillation"):
        raise BadInput(
            "--teacher goes with --objective feature-distillation, and that one needs it. For a hybrid, write the "
            "teacher into a recipe."
        )
    settings = {"kind": objective} | ({"teacher": teacher} if teacher else {})
    return ContinuedRecipe.checked(name=name, objective=settings, **values)
