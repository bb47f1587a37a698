"""Proportions of readings with their n and their interval; several readings of one image are not independent."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from scipy.stats import beta, t

CONFIDENCE = 0.95

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Proportion:
    """`hits` of `n` readings under a name, with a 95 % interval over images."""

    name: str
    hits: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Hits by n."""
        return self.hits / self.n


@dataclass(frozen=True, slots=True)
class ByImage:
    """Readings and hits added up over images, with the sums of squares and products that their spread needs."""

    images: int
    n: int
    hits: int
    n_squared: int
    hits_squared: int
    n_by_hits: int

    @classmethod
    def of(cls, counts: Sequence[tuple[int, int]]) -> "ByImage":
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
        if self.images == self.n or self.images < 2:
            return float(self.images)
        share = self.hits / self.n
        spread = self.hits_squared - 2 * share * self.n_by_hits + share**2 * self.n_squared
        variance = self.images / (self.images - 1) * spread / self.n**2
        independent = share * (1 - share) / self.n
        worth = self.n * independent / variance if independent > 0 and variance > 0 else float(self.images)
        few = float(t.ppf(0.975, self.n - 1) / t.ppf(0.975, self.images - 1))
        return max(1.0, min(float(self.n), worth * few**2))

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper-Pearson 95 % interval at the effective n; exact where every image was read once."""
        n = self.effective_n
        hits = n * self.hits / self.n
        tail = (1 - CONFIDENCE) / 2
        low = 0.0 if self.hits == 0 else float(beta.ppf(tail, hits, n - hits + 1))
        high = 1.0 if self.hits == self.n else float(beta.ppf(1 - tail, hits + 1, n - hits))
        return (0.0 if math.isnan(low) else low), (1.0 if math.isnan(high) else high)

    def named(self, name: str) -> Proportion:
        """The proportion under a name; `n` is at least 1."""
        return Proportion(name, self.hits, self.n, *self.interval)


def proportions_by(
    rows: Iterable[Row], name_of: Callable[[Row], str], is_hit: Callable[[Row], bool], image_of: Callable[[Row], int]
) -> list[Proportion]:
    """The proportion of hits in each group of rows, by name."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[name_of(row)].append(row)
    return [proportion(name, some, is_hit, image_of) for name, some in sorted(groups.items())]


def proportion(
    name: str, rows: Sequence[Row], is_hit: Callable[[Row], bool], image_of: Callable[[Row], int]
) -> Proportion:
    """The proportion of hits among rows; there is at least one."""
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        tally = counts[image_of(row)]
        tally[0] += 1
        tally[1] += is_hit(row)
    return ByImage.of([(n, hits) for n, hits in counts.values()]).named(name)
