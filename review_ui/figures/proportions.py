"""Proportions with their n and their exact interval."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from scipy.stats import binomtest

CONFIDENCE = 0.95

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Proportion:
    """`hits` of `n` under a name, with the Clopper-Pearson 95 % interval."""

    name: str
    hits: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Hits by n."""
        return self.hits / self.n


def acceptance_interval(accepted: int, n: int) -> tuple[float, float]:
    """Clopper-Pearson 95 % interval of a proportion."""
    interval = binomtest(accepted, n).proportion_ci(CONFIDENCE, method="exact")
    return float(interval.low), float(interval.high)


def proportion(name: str, hits: int, n: int) -> Proportion:
    """A proportion with its interval; `n` is at least 1."""
    return Proportion(name, hits, n, *acceptance_interval(hits, n))


def proportions_by(
    rows: Iterable[Row], name_of: Callable[[Row], str], is_hit: Callable[[Row], bool]
) -> list[Proportion]:
    """The proportion of hits in each group of rows, by name."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        tally = counts[name_of(row)]
        tally[0] += is_hit(row)
        tally[1] += 1
    return [proportion(name, hits, n) for name, (hits, n) in sorted(counts.items())]
