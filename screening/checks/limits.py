"""One-sided limits set on held-out real images, and the share of those that all checks may flag.

Every image goes through all checks, so what matters is how often a good image is flagged by any of them. They share one
budget (Bonferroni); the share really flagged is measured on subjects that set no limit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screening.checks.check import Saved, Unset

TECHNICAL_TAIL = 0.003  # share of real images that each of the eight ends of the five technical ranges may flag
LEAST_HELD_OUT = 40
FOLDS = 10
NO_VALUE = -1.0  # stands for a value where there was nothing to compare with


@dataclass(frozen=True, slots=True)
class Limit(Saved):
    """A limit: a value beyond `flag` (above it, or else below it) is flagged; nothing is blocked."""

    flag: float
    above: bool
    tuned_on: int
    tail: float  # of real images expected beyond it; as many held-out images as there are can promise

    def verdict(self, value: float) -> str:
        """Return `pass` or `flag`."""
        beyond = value > self.flag if self.above else value < self.flag
        return "flag" if beyond else "pass"

    def __str__(self) -> str:
        return f"at {'most' if self.above else 'least'} {self.flag:.4g}"


def fit_limit(
    values: NDArray[np.floating[Any]], tail: float, above: bool, least: int = LEAST_HELD_OUT
) -> Limit | Unset:
    """Fit the limit that a further real image passes with probability 1 - `tail`, to held-out values (M,) without NaN.

    The ceil((M + 1)(1 - tail))-th smallest (split conformal, Lei et al. 2018, section 2.2); with too few for that the
    extreme one, and `tail` says 1 / (M + 1). `Unset` for fewer than `least`.
    """
    known = np.sort(values[np.isfinite(values)].astype(np.float64))
    if len(known) < least:
        return Unset(f"{len(known)} real validation images, {least} are needed")
    ordered = known if above else -known[::-1]
    rank = min(math.ceil((len(known) + 1) * (1 - tail)), len(known))
    # Six digits, so that equal images make equal parameters on another processor too.
    flag = float(f"{ordered[rank - 1]:.6g}")
    return Limit(flag if above else -flag, above, len(known), round(max(tail, 1 / (len(known) + 1)), 6))


def folds(subjects: Sequence[int], seed: int = 0) -> NDArray[np.int64]:
    """Assign each image a fold of 0 to 9, (M,); all images of a subject are in one fold."""
    distinct = np.array(sorted(set(subjects)))
    fold_of = np.empty(len(distinct), np.int64)
    fold_of[np.random.default_rng(seed).permutation(len(distinct))] = np.arange(len(distinct)) % FOLDS
    return fold_of[np.searchsorted(distinct, np.array(subjects))]
