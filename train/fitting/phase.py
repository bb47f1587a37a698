"""The training loop of every fit: evaluations, progress, checkpoints, exact resumption.

Step n draws from the generator of step n, or from one whose state is in the checkpoint. So a fit that was killed and
resumed takes the same steps as an uninterrupted one.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from curation.errors import Diverged
from train.fitting.checkpoint import Checkpoint
from train.fitting.kept_weights import KeptWeights, load_trained_state, trained_state
from train.fitting.memory import is_out_of_memory
from train.fitting.seeding import get_global_random_state, set_global_random_state


@dataclass(frozen=True, slots=True)
class FitProgress:
    """The state of a fit: step `step` of `steps` of a phase, mean loss since the last report, measures."""

    phase: str
    step: int
    steps: int
    loss: float
    measures: dict[str, float] = field(default_factory=dict)


OnFitProgress = Callable[[FitProgress], None]
Objective = Callable[[int], Tensor]  # the loss of the batch of a step, counted from 0
Evaluate = Callable[[int], dict[str, float]]  # measures of the model after a number of steps


@dataclass
class Phase:
    """The fit of one model, up to `steps` steps.

    `learning_rate` maps a step and the initial rate of a parameter group of `optimizer` to the rate at that step.
    `generator` is a sequential one from which the objective draws. Gradients are clipped to `max_gradient_norm`.
    `remedy` names the option that a user lowers when the fit diverges. `make_room` lets the objective take less memory
    after a step for which there was not enough; the step is then taken again.
    """

    name: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    steps: int
    learning_rate: Callable[[int, float], float]
    checkpoint: Checkpoint
    kept: KeptWeights = field(default_factory=KeptWeights)
    generator: torch.Generator | None = None
    max_gradient_norm: float | None = 1.0
    remedy: str = "Lower the learning rate."
    make_room: Callable[[RuntimeError], None] | None = None
    step: int = field(init=False, default=0)
    step_losses: list[float] = field(init=False, default_factory=list)
    losses: list[tuple[int, float]] = field(init=False, default_factory=list)  # (step, mean since the last entry)
    evaluations: list[tuple[int, dict[str, float]]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.initial_rates = [group["lr"] for group in self.optimizer.param_groups]

    @property
    def recent_losses(self) -> list[float]:
        """Return the training losses of the steps since the last evaluation."""
        return self.step_losses[self.evaluations[-1][0] if self.evaluations else 0 :]

    def run(
        self,
        objective: Objective,
        evaluate: Evaluate,
        on_progress: OnFitProgress,
        *,
        evaluate_every: int,
        report_every: int,
        checkpoint_every: int,
    ) -> None:
        """Train to the end, from the checkpoint if there is one, and put the kept weights into the model.

        The last step is always evaluated, reported and saved. Measures of `evaluate` are reported at once. Raises
        Diverged as soon as a loss, a measure or a kept weight is no finite number; the checkpoint is then removed.
        """
        try:
            self._resume()
            self.model.train()
            while self.step < self.steps and not self.kept.is_exhausted(self.step):
                self._advance(objective)
                is_last = self.step == self.steps
                measures = self._evaluate(evaluate) if is_last or self.step % evaluate_every == 0 else {}
                is_reported = is_last or bool(measures) or self.step % report_every == 0
                if is_reported:
                    self._note_loss()
                if is_last or self.step % checkpoint_every == 0:
                    self._save()
                if is_reported:
                    on_progress(FitProgress(self.name, self.step, self.steps, self.losses[-1][1], measures))
            self._finish()
        except Diverged:
            self.checkpoint.path.unlink(missing_ok=True)
            raise

    def _note_loss(self) -> None:
        """Keep the mean loss since the last report."""
        recent = self.step_losses[self.losses[-1][0] if self.losses else 0 :]
        self.losses.append((self.step, sum(recent) / len(recent)))

    def _finish(self) -> None:
        """Put the kept weights into the model; raises Diverged for one that is no finite number."""
        self.kept.finish()
        self.model.eval()
        if not all(bool(torch.isfinite(weights).all()) for weights in trained_state(self.model).values()):
            raise self._diverged("its weights are no finite numbers")

    def _advance(self, objective: Objective) -> None:
        for group, initial in zip(self.optimizer.param_groups, self.initial_rates, strict=True):
            group["lr"] = self.learning_rate(self.step, initial)
        loss = self._backward(objective)
        while loss is None:
            loss = self._backward(objective)
        if self.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.max_gradient_norm)
        try:
            self.optimizer.step()
        except RuntimeError as error:
            if "overflow" not in str(error):
                raise
            raise self._diverged("a learning rate is too large for a step") from error
        self.kept.after_step()
        self.step += 1
        self.step_losses.append(float(loss.detach()))

    def _backward(self, objective: Objective) -> Tensor | None:
        """Compute the gradients of a step and return its loss; None where memory was short and room was made."""
        before = self._random_states() if self.make_room else None
        self.optimizer.zero_grad()
        try:
            loss = objective(self.step)
            if not torch.isfinite(loss):
                raise self._diverged(f"its loss is {float(loss.detach())}")
            loss.backward()
            return loss
        except RuntimeError as error:
            if self.make_room is None or before is None or not is_out_of_memory(error):
                raise
            self.optimizer.zero_grad()
            self.make_room(error)
        self._restore_random_states(before)
        return None

    def _random_states(self) -> dict[str, Any]:
        sequential = self.generator.get_state() if self.generator else None
        return {"generator": sequential, "global_random_state": get_global_random_state()}

    def _restore_random_states(self, state: Mapping[str, Any]) -> None:
        if self.generator:
            self.generator.set_state(state["generator"])
        set_global_random_state(state["global_random_state"])

    def _evaluate(self, evaluate: Evaluate) -> dict[str, float]:
        self.model.eval()
        with self.kept.for_evaluation():
            measures = evaluate(self.step)
        self.model.train()
        for name, value in measures.items():
            if not math.isfinite(value):
                raise self._diverged(f"its {name.replace('_', ' ')} is {value}")
        self.evaluations.append((self.step, measures))
        self.kept.after_evaluation(self.step, measures)
        return measures

    def _diverged(self, what: str) -> Diverged:
        return Diverged(f"the fit of {self.name} diverged at step {self.step} of {self.steps}: {what}. {self.remedy}")

    def _save(self) -> None:
        state = {
            "step": self.step,
            "step_losses": self.step_losses,
            "losses": self.losses,
            "evaluations": self.evaluations,
            "model": trained_state(self.model),
            "optimizer": self.optimizer.state_dict(),
            "kept": self.kept.state_dict(),
            **self._random_states(),
        }
        self.checkpoint.write(state)

    def _resume(self) -> None:
        state = self.checkpoint.read()
        if state is None:
            return
        load_trained_state(self.model, state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.kept.load_state_dict(state["kept"])
        self.step, self.step_losses = state["step"], state["step_losses"]
        self.losses, self.evaluations = state["losses"], state["evaluations"]
        self._restore_random_states(state)
