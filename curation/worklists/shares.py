"""Deal candidates out to named readers before anyone reads.

Where the next reader takes the next image, the last of many readers finds no candidates left and reads mostly controls
and repeats, which unblinds them. Dealt out, all readers have as many candidates, among the same controls.
"""

from collections.abc import Iterator, Sequence

import numpy as np


def deal_readers(readers: Sequence[int], per_image: int, seed: int) -> Iterator[tuple[int, ...]]:
    """Yield the `per_image` different readers of each candidate, without end.

    In each block of `len(readers)` candidates every reader reads `per_image`. The circle of readers is shuffled for
    each block, so that all pairs of readers share images.
    """
    random = np.random.default_rng(seed)
    while True:
        circle = [readers[int(place)] for place in random.permutation(len(readers))]
        for start in range(len(circle)):
            yield tuple(circle[(start + step) % len(circle)] for step in range(per_image))
