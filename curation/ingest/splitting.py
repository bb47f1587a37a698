"""Draw splits for subjects that have none: stratified by label, by a seed, independent of the order of the input."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from curation.tables.images import Split

SHARES = {Split.TRAIN: 0.60, Split.VALIDATION: 0.15, Split.TEST: 0.15, Split.RESERVE: 0.10}


def draw_splits(ordered: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Split]]:
    """Place each unit (a subject, or subjects bound by a common picture) in a split: (unit, stratum) to (unit, split).

    Each goes where its stratum and the whole are furthest below their shares (after Sechidis et al. 2011, iterative
    stratification). `ordered` has rare strata first, then by stratum, and within one by `lot`.
    """
    whole = dict.fromkeys(SHARES, 0)
    within: dict[str, dict[Split, int]] = defaultdict(lambda: dict.fromkeys(SHARES, 0))
    for placed, (unit, stratum) in enumerate(ordered):
        here = within[stratum]
        sizes = sum(here.values()) + 1, placed + 1
        missing = {  # of the split's share, were one more placed: in the stratum and in the whole
            split: (share * sizes[0] - here[split]) + (share * sizes[1] - whole[split])
            for split, share in SHARES.items()
        }
        split = max(missing, key=missing.__getitem__)
        yield unit, split
        here[split] += 1
        whole[split] += 1


def lot(seed: int, unit: str) -> str:
    """A unit's place within its stratum: a hash of the seed and the unit."""
    return hashlib.sha256(f"{seed}:{unit}".encode()).hexdigest()
