"""One phase of a fit: the training loop with a moving average, checkpoints that survive `kill -9`, exact resumption.

Step n draws from the generator of step n alone, so a fit that was killed and resumed takes the same steps as one that
was not.
"""

import math
import os
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from diffusers.training_utils import EMAModel
from torch import nn

from curation.errors import Damaged
from generate.latent_flow.recipe import PhaseRecipe
from generate.seeding import step_generator

LOG_EVERY = 10
MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True, slots=True)
class FitProgress:
    """Where a fit stands: step `step` of `steps` of a phase, and the mean loss of the last few steps."""

    phase: str
    step: int
    steps: int
    loss: float
    validation: dict[str, float] = field(default_factory=dict)


OnProgress = Callable[[FitProgress], None]


class Objective(Protocol):
    """The loss of one batch, everything random drawn from `generator`."""

    def __call__(self, generator: torch.Generator) -> torch.Tensor: ...


class Phase:
    """A model on its way through `recipe.steps` steps."""

    def __init__(self, name: str, model: nn.Module, recipe: PhaseRecipe, seed: int, checkpoint: Path) -> None:
        self.name, self.model, self.recipe, self.seed, self.checkpoint = name, model, recipe, seed, checkpoint
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.99)
        )
        self.ema = EMAModel(model.parameters(), decay=recipe.ema_decay, use_ema_warmup=True, power=3 / 4)
        self.step = 0
        self.losses: list[tuple[int, float]] = []  # (step, mean training loss since the last entry)
        self.validation: list[tuple[int, dict[str, float]]] = []

    def save(self) -> None:
        """Write the checkpoint under a temporary name and rename it: a kill leaves the last whole one."""
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": self.losses,
            "validation": self.validation,
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint.with_suffix(".part")
        torch.save(state, temporary)
        os.replace(temporary, self.checkpoint)

    def resume(self) -> None:
        """Continue from the checkpoint, if there is one."""
        if not self.checkpoint.is_file():
            return
        try:
            state = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        except Exception as error:
            raise Damaged(
                f"checkpoint {self.checkpoint} does not load: {error}. Delete it to fit this phase anew."
            ) from error
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.losses, self.validation = state["step"], state["losses"], state["validation"]

    @contextmanager
    def averaged(self):
        """Inside, the model holds the moving average of its weights and is in evaluation mode."""
        parameters = list(self.model.parameters())
        self.ema.store(parameters)
        self.ema.copy_to(parameters)
        self.model.eval()
        try:
            yield self.model
        finally:
            self.ema.restore(parameters)
            self.model.train()

    def run(
        self,
        objective: Objective,
        review: Callable[[int], dict[str, float]],
        on_progress: OnProgress,
        checkpoint_every: int,
        review_every: int,
    ) -> None:
        """Train to the end, leaving the averaged weights in the model; `review` is called with them every so often."""
        self.resume()
        self.model.train()
        recent: list[float] = []
        while self.step < self.recipe.steps:
            recent.append(self._advance(objective))
            last = self.step == self.recipe.steps
            seen: dict[str, float] = {}
            if last or self.step % review_every == 0:
                with self.averaged():
                    seen = review(self.step)
                self.validation.append((self.step, seen))
            if last or seen or self.step % LOG_EVERY == 0:
                loss = sum(recent) / len(recent)
                recent.clear()
                self.losses.append((self.step, loss))
                on_progress(FitProgress(self.name, self.step, self.recipe.steps, loss, seen))
            if last or self.step % checkpoint_every == 0:
                self.save()
        self.ema.copy_to(self.model.parameters())
        self.model.eval()

    def _advance(self, objective: Objective) -> float:
        """Take one optimiser step; the learning rate is a function of the step alone."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * schedule(self.step, self.recipe.warmup_steps, self.recipe.steps)
        loss = objective(step_generator(self.seed, self.name, self.step))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
        self.optimizer.step()
        self.ema.step(self.model.parameters())
        self.step += 1
        return float(loss.detach())


def schedule(step: int, warmup_steps: int, steps: int) -> float:
    """Linear warm-up, then a cosine from 1 to 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))
