"""Black-box membership inference: whether generated images lie nearer to images that a generator saw.

The attacker holds the generated images and a candidate's image, and measures the distance to the nearest drawn one,
calibrated by the distance to real images that have nothing to do with the generator (after GAN-Leaks, Chen et al. 2020,
and DOMIAS, van Breugel et al. 2023). Members, non-members and reference are balanced by class and drawn by seed, and
the same attack without the generator must find nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm, rankdata
from statsmodels.stats.proportion import proportion_confint

from curation.estimates import Estimate, proportion
from screening.set_measures.intervals import Z
from screening.set_measures.manifold import Vectors, nearest

FALSE_POSITIVES = 0.01
LEAST_MEMBERS = 20  # subjects of each group


@dataclass(frozen=True, slots=True)
class Groups:
    """Positions of images, one a subject, balanced by class: seen by the generator, not seen, and to calibrate by."""

    members: list[int]
    others: list[int]
    reference: list[int]


def balanced_groups(
    members: Sequence[tuple[int, str]],
    others: Sequence[tuple[int, str]],
    reference: Sequence[tuple[int, str]],
    random: np.random.Generator,
) -> Groups:
    """Draw groups with equal counts of each class; without a `reference`, half of `others` becomes it.

    Items are (position, class), one a subject.
    """
    members, others = _shuffled(members, random), _shuffled(others, random)
    if reference:
        reference = _shuffled(reference, random)
    else:
        others, reference = _halves(others)
    groups = [_by_class(items) for items in (members, others, reference)]
    labels = sorted(set.intersection(*(set(group) for group in groups)))
    each = {label: min(len(group[label]) for group in groups) for label in labels}
    taken = [[place for label in labels for place in group[label][: each[label]]] for group in groups]
    return Groups(*taken)


def _shuffled(items: Sequence[tuple[int, str]], random: np.random.Generator) -> list[tuple[int, str]]:
    return [items[place] for place in random.permutation(len(items))]


def _by_class(items: Sequence[tuple[int, str]]) -> dict[str, list[int]]:
    places_by_class: dict[str, list[int]] = defaultdict(list)
    for place, label in items:
        places_by_class[label].append(place)
    return places_by_class


def _halves(items: Sequence[tuple[int, str]]) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Split each class in two, item by item."""
    seen: Counter[str] = Counter()
    halves: tuple[list[tuple[int, str]], list[tuple[int, str]]] = ([], [])
    for item in items:
        halves[seen[item[1]] % 2].append(item)
        seen[item[1]] += 1
    return halves


def calibrated_scores(candidates: Vectors, drawn: Vectors, reference: Vectors) -> NDArray[np.float64]:
    """(N,) log of how much nearer a generated image comes than a reference image: high suggests a member."""
    tiny = np.finfo(np.float64).tiny
    to_drawn, to_reference = nearest(candidates, drawn)[1], nearest(candidates, reference)[1]
    return np.asarray(np.log(np.maximum(to_reference, tiny)) - np.log(np.maximum(to_drawn, tiny)))


def area_under_curve(members: NDArray[np.float64], others: NDArray[np.float64]) -> Estimate:
    """AUC (ties count half) with DeLong's interval (1988) on the logit scale (Pepe 2003, section 5.2).

    Where every pair is ordered alike its variance is zero; then the bound is that of min(M, N) separate pairs that
    all came out alike, 0.025^(1 / min(M, N)). Where all are ties it is zero too; then Wilson's for as many pairs.
    """
    m, n = len(members), len(others)
    ranks = rankdata(np.concatenate([members, others]))
    placed = (ranks[:m] - rankdata(members)) / n  # for each member, the share of others below it
    passed = 1 - (ranks[m:] - rankdata(others)) / m
    value = float(placed.mean())
    if value in (0.0, 1.0):
        bound = float(0.025 ** (1 / min(m, n)))
        low, high = (bound, 1.0) if value else (0.0, 1 - bound)
        return Estimate(value, low, high, m + n, "separate pairs")
    error = float(np.sqrt(placed.var(ddof=1) / m + passed.var(ddof=1) / n))
    if error == 0:
        low, high = proportion_confint(value * min(m, n), min(m, n), method="wilson")
        return Estimate(value, float(low), float(high), m + n, "separate pairs")
    reach = Z * error / (value * (1 - value))
    low, high = expit(logit(value) - reach), expit(logit(value) + reach)
    return Estimate(value, float(low), float(high), m + n, "DeLong")


def found_at_few_false(
    members: NDArray[np.float64], others: NDArray[np.float64], rate: float = FALSE_POSITIVES
) -> tuple[Estimate, Estimate]:
    """The shares of members and of non-members above a threshold that at most `rate` of the non-members pass.

    Clopper-Pearson intervals; of fewer than 100 non-members none may pass, and the second interval says how far the
    true rate may lie above 1 % all the same.
    """
    allowed = floor(rate * len(others) + 1e-9)
    threshold = np.sort(others)[::-1][allowed]
    hits, false_hits = int((members > threshold).sum()), int((others > threshold).sum())
    return proportion(hits, len(members)), proportion(false_hits, len(others))


def detectable(n: int) -> float:
    """The AUC that `n` subjects a group detect with a power of 80 % (normal approximation)."""
    return float(0.5 + (Z + norm.ppf(0.8)) * np.sqrt((2 * n + 1) / (12 * n * n)))
