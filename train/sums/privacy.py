"""The Gaussian mechanism: how much noise gives (ε, δ), and what releases give together.

μ is the sensitivity over the standard deviation of the noise. The exact trade-off of one release is that of Balle and
Wang (2018, equation 6, arXiv:1805.06530), and releases compose as the root of the sum of their μ² (Dong, Roth and Su
2019, corollary 3.3, arXiv:1905.02383). Torch-free.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr

from curation.errors import BadInput

SMALLEST_MU, LARGEST_MU = 1e-6, 1e4
LARGEST_EPSILON = 1e6


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a release promises each training subject: (ε, δ), μ, the clip; and ε of all releases of its project."""

    epsilon: float
    delta: float
    mu: float
    clip: float
    releases: int = 1
    total_epsilon: float = 0.0


def delta_of(epsilon: float, mu: float) -> float:
    """The δ at `epsilon` of Gaussian noise with this μ."""
    far = log_ndtr(-epsilon / mu - mu / 2)
    return float(ndtr(mu / 2 - epsilon / mu) - math.exp(min(epsilon + far, 0.0)))


def mu_of(epsilon: float, delta: float) -> float:
    """The largest μ that gives (ε, δ)."""
    if delta_of(epsilon, LARGEST_MU) <= delta:
        return LARGEST_MU
    return float(brentq(lambda mu: delta_of(epsilon, mu) - delta, SMALLEST_MU, LARGEST_MU, xtol=1e-12, rtol=1e-10))


def epsilon_of(mu: float, delta: float) -> float:
    """The smallest ε at `delta` of Gaussian noise with this μ."""
    if delta_of(0.0, mu) <= delta:
        return 0.0
    return float(brentq(lambda epsilon: delta_of(epsilon, mu) - delta, 0.0, LARGEST_EPSILON, rtol=1e-10))


def composed(mus: Iterable[float]) -> float:
    """The μ of several releases together."""
    return math.sqrt(sum(mu * mu for mu in mus))


def check_budget(epsilon: float, delta: float, clip: float, subjects: int) -> None:
    """Refuse what promises nothing: ε of 0 or less or without end, δ of one in so many subjects, no clip."""
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise BadInput(f"expected an ε above 0, got {epsilon:g}. Usual values are 0.5 to 8.")
    if not 0 < delta < 1 / subjects:
        raise BadInput(
            f"expected a δ above 0 and below one in {subjects} subjects ({1 / subjects:.2g}), got {delta:g}: with a "
            "larger one a whole subject might be given away. Take a tenth of it or less."
        )
    if not (math.isfinite(clip) and clip > 0):
        raise BadInput(
            f"expected a clip above 0 that is finite, got {clip:g}: without one a subject could add anything, and no "
            "noise would hide it."
        )
