"""A value with its 95 % interval and its n: of proportions, also by image, and of resampled values."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 1_000
EXACT = "Clopper-Pearson"

Numbers = NDArray[np.float64]
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval and the number it rests on.

    `how` names the kind of interval; where there is no value or no interval, it says why.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    how: str

    @classmethod
    def none(cls, n: int, reason: str) -> "Estimate":
        """No value, and why."""
        return cls(None, None, None, n, reason)

    @property
    def hits(self) -> int:
        """How many of `n` a proportion counts."""
        return round((self.value or 0) * self.n)

    def percent(self) -> tuple[float, float, float]:
        """Value, low and high of a proportion in percent; raises ValueError without a value or an interval."""
        if self.value is None or self.low is None or self.high is None:
            raise ValueError(f"expected a proportion with its interval, got none: {self.how}")
        return 100 * self.value, 100 * self.low, 100 * self.high


def as_saved(record: Any) -> Any:
    """A dataclass as dictionaries that results on a disk hold: of an estimate its value, low and high alone."""
    if isinstance(record, Estimate):
        return {"value": record.value, "low": record.low, "high": record.high}
    if is_dataclass(record):
        return {field.name: as_saved(getattr(record, field.name)) for field in fields(record)}
    return {name: as_saved(part) for name, part in record.items()} if isinstance(record, dict) else record


def exact_interval(hits: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a proportion (Clopper and Pearson 1934); `n` may be an effective one."""
    from statsmodels.stats.proportion import proportion_confint  # more than a second to import

    low, high = proportion_confint(hits, n, alpha=1 - CONFIDENCE, method="beta")
    return float(low), float(high)


def rounded_interval(hits: int, n: int) -> list[float]:
    """The exact interval to four places, as results on a disk hold it; 0 to 1 where nothing was counted."""
    return [round(bound, 4) for bound in exact_interval(hits, n)] if n else [0.0, 1.0]


def rounded_proportion(hits: int, n: int) -> dict[str, Any]:
    """`count`, `n`, `low` and `high`, as results on a disk hold a proportion."""
    low, high = rounded_interval(hits, n)
    return {"count": hits, "n": n, "low": low, "high": high}


def difference_of_proportions(hits: int, n: int, other_hits: int, other_n: int) -> Estimate:
    """The first share less the second, with the interval of Newcombe (1998, method 10), which always has a width."""
    from statsmodels.stats.proportion import confint_proportions_2indep  # more than a second to import

    counts = (hits, n, other_hits, other_n)
    low, high = confint_proportions_2indep(*counts, method="newcomb", compare="diff", alpha=1 - CONFIDENCE)
    return Estimate(hits / n - other_hits / other_n, float(low), float(high), n + other_n, "Newcombe")


def proportion(hits: int, n: int, fewest: int = 1) -> Estimate:
    """The share of hits with its exact interval."""
    if n < fewest:
        return Estimate.none(n, f"too few: {n} of {fewest} needed")
    return Estimate(hits / n, *exact_interval(hits, n), n, EXACT)


@dataclass(frozen=True, slots=True)
class ImageSums:
    """Readings and hits added up over images, with the sums of squares and products that their spread needs."""

    images: int
    n: int
    hits: int
    n_squared: int
    hits_squared: int
    n_by_hits: int

    @classmethod
    def of(cls, counts: Sequence[tuple[int, int]]) -> "ImageSums":
        """From (readings, hits) of each image."""
        return cls(
            images=len(counts),
            n=sum(n for n, _ in counts),
            hits=sum(hits for _, hits in counts),
            n_squared=sum(n * n for n, _ in counts),
            hits_squared=sum(hits * hits for _, hits in counts),
            n_by_hits=sum(n * hits for n, hits in counts),
        )

    @property
    def effective_n(self) -> float:
        """How many independent readings these are worth: n by the design effect of images read more than once.

        The variance is that of a ratio over images; where nothing varies, images count once each. Korn and Graubard
        1998 (Survey Methodology 24), with their factor for few images.
        """
        from scipy.stats import t  # a second to import

        if self.images == self.n or self.images < 2:
            return float(self.images)
        share = self.hits / self.n
        spread = self.hits_squared - 2 * share * self.n_by_hits + share**2 * self.n_squared
        variance = self.images / (self.images - 1) * spread / self.n**2
        independent = share * (1 - share) / self.n
        worth = self.n * independent / variance if independent > 0 and variance > 0 else float(self.images)
        few = float(t.ppf(0.975, self.n - 1) / t.ppf(0.975, self.images - 1))
        return max(1.0, min(float(self.n), worth * few**2))

    def proportion(self) -> Estimate:
        """The share of readings that are hits, exact where every image was read once; `n` is at least 1."""
        share, n = self.hits / self.n, self.effective_n
        return Estimate(share, *exact_interval(n * share, n), self.n, f"{EXACT} over images")


def proportion_over_images(
    rows: Iterable[Row], is_hit: Callable[[Row], bool], image_of: Callable[[Row], int]
) -> Estimate:
    """The share of rows that are hits; several rows of one image are not independent. There is at least one row."""
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        count = counts[image_of(row)]
        count[0] += 1
        count[1] += is_hit(row)
    return ImageSums.of([(n, hits) for n, hits in counts.values()]).proportion()


def bootstrapped(
    values: Numbers, statistic: Callable[[Numbers], float], random: np.random.Generator, fewest: int
) -> Estimate:
    """A statistic of (n, ...) rows with its percentile interval over rows."""
    n = len(values)
    if n < fewest:
        return Estimate.none(n, f"too few: {n} of {fewest} needed")
    resampled = [statistic(values[random.integers(0, n, n)]) for _ in range(RESAMPLES)]
    return with_percentiles(statistic(values), np.array(resampled), n)


@dataclass(frozen=True, slots=True)
class CrossedSpread:
    """How far a mean over repeats (readers, training seeds) that share their units (images, subjects) may be off."""

    between: float  # variance of the mean that comes with the repeats
    within: float  # and with the units
    degrees_of_freedom: float
    half_width: float  # of the interval; 0 where nothing varies


def crossed_spread(values: Numbers, resampled_mean: Numbers, units: int, confidence: float) -> CrossedSpread:
    """Compute the Student t interval of the mean of `values`, one a repeat, all of them over the same units.

    The variance is s²/R of the R values plus the variance of their mean over resamples of the units, with
    Satterthwaite's (1946) degrees of freedom. One repeat says nothing of repeats: its interval supports no claim.
    """
    repeats = len(values)
    between = float(np.var(values, ddof=1)) / repeats if repeats > 1 else 0.0
    return combined_spread(between, repeats - 1, float(np.nanvar(resampled_mean, ddof=1)), units - 1, confidence)


def combined_spread(
    between: float, between_degrees: int, within: float, within_degrees: int, confidence: float
) -> CrossedSpread:
    """Combine two variances of a mean, each with its degrees of freedom, by Satterthwaite (1946)."""
    total = between + within
    if total == 0:
        return CrossedSpread(0.0, 0.0, float(within_degrees), 0.0)
    degrees = total**2 / (within**2 / max(1, within_degrees) + between**2 / max(1, between_degrees))
    return CrossedSpread(between, within, degrees, t_half_width(total, degrees, confidence))


def t_half_width(variance: float, degrees: float, confidence: float) -> float:
    """Half the width of a Student t interval of a mean with this variance."""
    from scipy.stats import t  # a second to import

    half_width: float = t.ppf((1 + confidence) / 2, degrees) * variance**0.5
    return half_width


def with_percentiles(value: float, resampled: Numbers, n: int) -> Estimate:
    """The percentile interval of resampled values; those that are not defined are left out.

    Where no resample differs there is a value and no interval: one of no width would promise a certainty nobody has.
    """
    defined = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or len(defined) < len(resampled) / 2:
        return Estimate.none(n, "not defined: too little varies")
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    if low == high:
        return Estimate(float(value), None, None, n, "no interval: nothing varies between resamples")
    return Estimate(float(value), float(low), float(high), n, "percentiles of resamples")
