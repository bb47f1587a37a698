"""How the learning rate goes over a fit: a linear warm-up, then one of several ways down, or none."""

import math
from collections.abc import Callable

Schedule = Callable[[int, int, int], float]  # step from 0, steps of the warm-up, all steps: the factor of the rate


def warmup_cosine(step: int, warmup_steps: int, steps: int) -> float:
    """Return the factor of a linear warm-up, then a cosine from 1 to 0; `step` counts from 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def warmup_linear(step: int, warmup_steps: int, steps: int) -> float:
    """Return the factor of a linear warm-up, then a line from 1 to 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return max(0.0, 1 - (step - warmup_steps) / max(1, steps - warmup_steps))


def warmup_constant(step: int, warmup_steps: int, steps: int) -> float:
    """Return the factor of a linear warm-up, then 1."""
    return min(1.0, (step + 1) / warmup_steps)


SCHEDULES: dict[str, Schedule] = {"cosine": warmup_cosine, "linear": warmup_linear, "constant": warmup_constant}
