"""What the module of an objective implements, and how it is found."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, cast

from torch import Tensor

from train.pretraining.batch import TrainingBatch
from train.pretraining.objective_model import FitContext, ObjectiveModel
from train.pretraining.objective_table import ObjectiveConfig
from train.pretraining.trained_encoder import TrainedEncoder

Loss = Callable[[Any, TrainingBatch], Tensor]


class ObjectiveModule(Protocol):
    """How an objective wraps an encoder, and its loss."""

    loss: Loss

    def make_model(self, encoder: TrainedEncoder, settings: Any, context: FitContext) -> ObjectiveModel:
        """Put heads, decoders or teachers around the encoder; raises BadInput where it does not take the network."""


def find_objective(settings: ObjectiveConfig) -> ObjectiveModule:
    """Import the module of an objective by its name, so that the table never imports torch."""
    return cast(ObjectiveModule, import_module(f"{__package__}.{settings.kind.replace('-', '_')}"))
