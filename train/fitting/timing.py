"""Time a few steps of a fit on this machine, and say how long all of it takes, before it begins.

Every kind of fit times its own networks with its own loss and throws them away; what it reports is made here.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from curation.progress import Clock, OnProgress, duration_words

TIMED_STEPS = 3
FORWARD_SHARE = 1 / 3  # of a step: the pass back costs about twice the pass forward
WORTH_STEPS = 50  # a fit of fewer is over before its estimate would be of use


class TooSlow(Exception):
    """Ends a timing: the first step took longer than is of use."""


@dataclass(frozen=True, slots=True)
class PhaseEstimate:
    """How long one phase takes: its steps, seconds a step as measured, and the evaluations in between."""

    name: str
    steps: int
    step_s: float
    evaluations_s: float = 0.0
    unit: str = "steps"

    @property
    def total_s(self) -> float:
        """Seconds of the whole phase."""
        return self.steps * self.step_s + self.evaluations_s


@dataclass(frozen=True, slots=True)
class FitEstimate:
    """How long a fit takes on this machine."""

    device: str
    phases: tuple[PhaseEstimate, ...]

    @property
    def total_s(self) -> float:
        """Seconds of the whole fit."""
        return sum(phase.total_s for phase in self.phases)

    def words(self) -> str:
        """Say it in a line."""
        parts = [f"{phase.name} {phase.steps:,} {phase.unit} of {phase.step_s:.2g} s" for phase in self.phases]
        threads = torch.get_num_threads()
        on_processor = "one thread of the processor" if threads == 1 else f"{threads} threads of the processor"
        where = self.device if self.device != "cpu" else on_processor
        return f"about {duration_words(self.total_s)} on this machine ({where}): {', '.join(parts)}, as measured now"


OnEstimate = Callable[[FitEstimate | None], None]  # None: over so soon that nobody needs to know


def tell_estimate(what: str, report: OnProgress, say: Callable[[str], None] | None) -> OnEstimate:
    """Make a callback that says in a line how long `what` takes; without `say` the line is a report's note."""

    def on_estimate(estimate: FitEstimate | None) -> None:
        if estimate is None:
            return
        line = f"{what} takes {estimate.words()}"
        if say is not None:
            say(line)
        else:
            report(0, estimate.phases[0].steps, line)

    return on_estimate


def of_several(on_estimate: OnEstimate, count: int) -> OnEstimate:
    """Make a callback that is told of one of several equal fits, and tells how long all of them take."""

    def on_one(estimate: FitEstimate | None) -> None:
        if estimate is not None:
            phases = tuple(
                replace(phase, steps=phase.steps * count, evaluations_s=phase.evaluations_s * count)
                for phase in estimate.phases
            )
            estimate = FitEstimate(estimate.device, phases)
        on_estimate(estimate)

    return on_one


def time_steps(
    model: nn.Module,
    loss: Callable[[], torch.Tensor],
    device: str,
    clock: Clock = time.monotonic,
    patience_s: float | None = None,
) -> float:
    """Take one step to warm up and a few that count; return the median of these in seconds.

    Raises TooSlow when the first takes longer than `patience_s`. The model is of no use afterwards.
    """
    optimizer = torch.optim.AdamW([weights for weights in model.parameters() if weights.requires_grad], lr=1e-4)
    seconds = []
    for _ in range(1 + TIMED_STEPS):
        began = clock()
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds.append(clock() - began)
        if patience_s is not None and seconds[0] > patience_s:
            raise TooSlow
    return sorted(seconds[1:])[TIMED_STEPS // 2]
