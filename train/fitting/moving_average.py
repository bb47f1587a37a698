"""An exponential moving average of the weights of a fit."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from diffusers.training_utils import EMAModel
from torch import nn

from train.fitting.kept_weights import KeptWeights


class MovingAverage(KeptWeights):
    """The moving average of the weights that train; it covers few steps at first."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.parameters = [weights for weights in model.parameters() if weights.requires_grad]
        self.ema = EMAModel(self.parameters, decay=decay, use_ema_warmup=True, power=3 / 4)

    def after_step(self) -> None:
        """Update the average with the weights of this step."""
        self.ema.step(self.parameters)

    @contextmanager
    def for_evaluation(self) -> Iterator[None]:
        """Put the average into the model while the block runs."""
        self.ema.store(self.parameters)
        self.ema.copy_to(self.parameters)
        try:
            yield
        finally:
            self.ema.restore(self.parameters)

    def finish(self) -> None:
        """Leave the average in the model."""
        self.ema.copy_to(self.parameters)

    def state_dict(self) -> dict[str, Any]:
        """The state of the average."""
        return self.ema.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.ema.load_state_dict(dict(state))
        self.ema.to(self.parameters[0].device)
