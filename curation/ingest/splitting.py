"""Draw splits for subjects without one: stratified by label, the same for any order of the input."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from curation.tables.images import Split

SHARES = {Split.TRAIN: 0.60, Split.VALIDATION: 0.15, Split.TEST: 0.15, Split.RESERVE: 0.10}


def draw_splits(ordered: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Split]]:
    """Assign each unit (a subject, or subjects that share a picture) to a split: (unit, stratum) to (unit, split).

    A unit goes to the split whose share is furthest below its target, in its stratum and in the whole (after Sechidis
    et al. 2011, iterative stratification). `ordered` has rare strata first, within
    one by `order_in_stratum`.
    """
    whole = dict.fromkeys(SHARES, 0)
    within: dict[str, dict[Split, int]] = defaultdict(lambda: dict.fromkeys(SHARES, 0))
    for placed, (unit, stratum) in enumerate(ordered):
        in_stratum = within[stratum]
        sizes = sum(in_stratum.values()) + 1, placed + 1
        missing = {  # of the split's share, were one more placed: in the stratum and in the whole
            split: (share * sizes[0] - in_stratum[split]) + (share * sizes[1] - whole[split])
            for split, share in SHARES.items()
        }
        split = max(missing, key=missing.__getitem__)
        yield unit, split
        in_stratum[split] += 1
        whole[split] += 1


def order_in_stratum(seed: int, unit: str) -> str:
    """A hash of the seed and the unit, which orders the units of a stratum."""
    return hashlib.sha256(f"{seed}:{unit}".encode()).hexdigest()
