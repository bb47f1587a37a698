"""A figure with what it rests on: a value, its interval, its n; or why there is none."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

CONFIDENCE = 0.95
RESAMPLES = 1_000

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval and the number it rests on; without a value, `reason` says why."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None = None

    @classmethod
    def none(cls, n: int, reason: str) -> "Estimate":
        """No value, and why."""
        return cls(None, None, None, n, reason)


def proportion(successes: int, n: int, fewest: int = 1) -> Estimate:
    """A share with its Clopper-Pearson interval."""
    if n < fewest:
        return Estimate.none(n, f"too few: {n} of {fewest} needed")
    interval = binomtest(successes, n).proportion_ci(CONFIDENCE, method="exact")
    return Estimate(successes / n, float(interval.low), float(interval.high), n)


def bootstrapped(
    values: Numbers, statistic: Callable[[Numbers], float], random: np.random.Generator, fewest: int
) -> Estimate:
    """A statistic of (n, ...) rows with its percentile interval over rows."""
    n = len(values)
    if n < fewest:
        return Estimate.none(n, f"too few: {n} of {fewest} needed")
    drawn = [statistic(values[random.integers(0, n, n)]) for _ in range(RESAMPLES)]
    return with_percentiles(statistic(values), np.array(drawn), n)


def with_percentiles(value: float, drawn: Numbers, n: int) -> Estimate:
    """The percentile interval of resampled values; those that are not defined are left out."""
    defined = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or len(defined) < len(drawn) / 2:
        return Estimate.none(n, "not defined: too little varies")
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(float(value), float(low), float(high), n)
