"""95 % intervals of set-level measures from parts of the sets that hold no image twice.

A bootstrap repeats images, and a repeated image is its own nearest neighbour: radii shrink, coverage falls. Four fifths
drawn without repeats have no such bias, and their spread gives the standard error of the whole: the delete-d jackknife
with d = n / 5, each spread times sqrt((n - d) / d) (Shao and Wu 1989). Other shares were tried; what was found about
the coverage of the intervals stands in docs/measures.md.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from curation.estimates import Estimate

Z = float(norm.ppf(0.975))
PART = 0.8
JACKKNIFE = "delete-d jackknife"
MOST_SHARED = 4  # images that one image can decide of, about: its k neighbours and itself


def kept_of(n: int) -> int:
    """The number of images that a part of `n` holds: four fifths, at least one left out."""
    return min(n - 1, round(PART * n))


def parts_of(sizes: Sequence[int], resamples: int, seed: int) -> list[tuple[NDArray[np.int64], ...]]:
    """For each resample four fifths of each set's positions, without repeats and independently of the other sets."""
    random = np.random.default_rng([seed, 0x70617274])
    return [tuple(np.sort(random.permutation(size)[: kept_of(size)]) for size in sizes) for _ in range(resamples)]


def standard_error(values: Sequence[float], n: int) -> float:
    """The standard error of a measure of sets of `n`, from the values of their parts."""
    kept = kept_of(n)
    return float(np.std(values, ddof=1) * np.sqrt(kept / (n - kept)))


def of_distance(value: float, parts: Sequence[float], n: int, lowest: float | None = None) -> Estimate:
    """A distance with its normal interval, cut off at the lowest value of the measure."""
    reach = Z * standard_error(parts, n)
    low = value - reach
    return Estimate(value, low if lowest is None else max(low, lowest), value + reach, n, JACKKNIFE)


def of_share(value: float, parts: Sequence[float], n: int) -> Estimate:
    """A share with Wilson's interval at its effective n: at most the `n` images, at least a fourth.

    A normal interval would have no width where every part says the same, all or none.
    """
    error = standard_error(parts, n)
    effective = float(n)
    if error > 0 and 0 < value < 1:
        effective = float(np.clip(value * (1 - value) / error**2, n / MOST_SHARED, n))
    low, high = proportion_confint(value * effective, effective, method="wilson")
    return Estimate(value, float(low), float(high), n, f"Wilson, {JACKKNIFE}")


def difference(value: Estimate, floor: Estimate) -> Estimate:
    """The difference of two shares from their intervals (MOVER, Zou and Donner 2008; of counts it is Newcombe's).

    The two share their real images, so it is rather too wide; but never of no width where neither varies.
    """
    excess = value.value - floor.value
    below = np.hypot(value.value - (value.low or 0.0), (floor.high or 0.0) - floor.value)
    above = np.hypot((value.high or 0.0) - value.value, floor.value - (floor.low or 0.0))
    return Estimate(excess, float(excess - below), float(excess + above), value.n, "MOVER")


Measure = Callable[[tuple[NDArray[np.int64], ...]], Mapping[str, float]]


def measured_on_parts(
    measure: Measure, sizes: Sequence[int], resamples: int, seed: int, report: Callable[[int], None]
) -> tuple[Mapping[str, float], dict[str, list[float]]]:
    """`measure` of the whole sets, and by name its values of `resamples` parts of them."""
    whole = measure(tuple(np.arange(size) for size in sizes))
    parts: dict[str, list[float]] = {name: [] for name in whole}
    for done, positions in enumerate(parts_of(sizes, resamples, seed), 1):
        for name, value in measure(positions).items():
            parts[name].append(value)
        report(done)
    return whole, parts
