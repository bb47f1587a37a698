"""Draw splits for subjects that have none: stratified by label, by a seed, independent of the order of the input."""

import hashlib
from collections import Counter
from collections.abc import Mapping

from curation.models.images import Split

SHARES = {Split.TRAIN: 0.60, Split.VALIDATION: 0.15, Split.TEST: 0.15, Split.RESERVE: 0.10}


def draw_splits(strata: Mapping[str, str], seed: int) -> dict[str, Split]:
    """Place each unit (a subject, or subjects bound by a common picture) in a split: unit -> stratum to unit -> split.

    Rare strata come first, and each unit goes where its stratum and the whole are furthest below their shares (after
    Sechidis et al. 2011, iterative stratification). The order within a stratum is a hash of the seed and the unit.
    """
    sizes = Counter(strata.values())
    order = sorted(strata, key=lambda unit: (sizes[strata[unit]], strata[unit], _lot(seed, unit)))
    whole: Counter[Split] = Counter()
    within: dict[str, Counter[Split]] = {stratum: Counter() for stratum in sizes}
    drawn: dict[str, Split] = {}
    for unit in order:
        here = within[strata[unit]]
        split = max(SHARES, key=lambda split: _missing(here, split) + _missing(whole, split))
        drawn[unit] = split
        here[split] += 1
        whole[split] += 1
    return drawn


def _missing(placed: Counter[Split], split: Split) -> float:
    """How many units the split lacks for its share, were one more placed."""
    return SHARES[split] * (placed.total() + 1) - placed[split]


def _lot(seed: int, unit: str) -> bytes:
    return hashlib.sha256(f"{seed}:{unit}".encode()).digest()
