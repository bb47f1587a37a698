"""The part of a recipe that every fitting phase has. Torch-free."""

from typing import Annotated

from pydantic import Field, PositiveInt

from curation.requests import FrozenRequest

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Weight = Annotated[float, Field(ge=0.0)]


class PhaseRecipe(FrozenRequest):
    """AdamW with linear warm-up and cosine decay, and a moving average of the weights."""

    steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: Annotated[float, Field(gt=0.0)]
    warmup_steps: PositiveInt = 100
    weight_decay: Weight = 0.01
    ema_decay: Fraction = 0.995
