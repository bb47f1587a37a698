"""Which weights a fit evaluates and keeps: the last, or the best so far with early stopping."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """Return what training changes in `model`: trained parameters and buffers, not copied."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in frozen}


def load_trained_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load what `trained_state` returned; raises RuntimeError when `model` has other weights."""
    model.load_state_dict({**model.state_dict(), **state})


class KeptWeights:
    """The weights of the last step. Subclasses keep other ones."""

    def after_step(self) -> None:
        """Update the kept weights after an optimiser step."""

    @contextmanager
    def for_evaluation(self) -> Iterator[None]:
        """Put the weights to evaluate into the model while the block runs."""
        yield

    def after_evaluation(self, step: int, measures: Mapping[str, float]) -> None:
        """Update the kept weights by the measures of an evaluation after `step`."""

    def is_exhausted(self, step: int) -> bool:
        """Return whether the fit stops after `step` although steps are left."""
        return False

    def finish(self) -> None:
        """Put the kept weights into the model at the end of a fit."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed fit needs."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""


class BestWeights(KeptWeights):
    """The weights of the lowest `measure`, or the last weights if it is not measured.

    The fit stops `patience_steps` after the best step, but not before `min_steps`; with None it takes every step.
    With an `average` of the weights, that is what is measured and kept.
    """

    def __init__(
        self,
        model: nn.Module,
        measure: str,
        patience_steps: int | None,
        min_steps: int = 0,
        average: KeptWeights | None = None,
    ) -> None:
        self.model, self.measure, self.patience_steps, self.min_steps = model, measure, patience_steps, min_steps
        self.average = average or KeptWeights()
        self.step, self.value = 0, math.inf
        self.weights = self._copy()

    def after_step(self) -> None:
        """Update the average with the weights of this step."""
        self.average.after_step()

    @contextmanager
    def for_evaluation(self) -> Iterator[None]:
        """Put the average into the model while the block runs, where there is one."""
        with self.average.for_evaluation():
            yield

    def after_evaluation(self, step: int, measures: Mapping[str, float]) -> None:
        """Keep a copy of the weights if the measure is the best so far."""
        if self.measure not in measures or measures[self.measure] < self.value:
            with self.for_evaluation():
                self.step, self.value, self.weights = step, measures.get(self.measure, math.inf), self._copy()

    def is_exhausted(self, step: int) -> bool:
        """Whether the best step is more than `patience_steps` ago, and the first steps are taken."""
        has_waited = self.patience_steps is not None and step - self.step >= self.patience_steps
        return has_waited and step >= self.min_steps

    def finish(self) -> None:
        """Load the best weights into the model."""
        load_trained_state(self.model, self.weights)

    def state_dict(self) -> dict[str, Any]:
        """The best step, its measure and its weights, and the state of the average."""
        state = {"step": self.step, "value": self.value, "weights": self.weights}
        return state | ({"average": average} if (average := self.average.state_dict()) else {})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.step, self.value, self.weights = state["step"], state["value"], state["weights"]
        self.average.load_state_dict(state.get("average", {}))

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in trained_state(self.model).items()}
