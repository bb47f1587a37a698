"""Shares of a worklist dealt out beforehand: which readers read which candidate.

Where whoever comes next takes the next image, the last of many readers finds candidates gone and meets mostly controls
and repeats, which unblinds them. Dealt out, each reader has as many candidates as any other, among the same controls.
"""

from collections.abc import Iterator, Sequence

import numpy as np


def deal(readers: Sequence[int], per_image: int, seed: int) -> Iterator[tuple[int, ...]]:
    """For one candidate after another, without end, the `per_image` different readers who read it.

    Of any `len(readers)` candidates in a row, counted from a multiple of that number, everybody reads `per_image`; the
    circle of readers is shuffled for each such block, so that everybody shares images with everybody.
    """
    random = np.random.default_rng(seed)
    while True:
        circle = [readers[int(place)] for place in random.permutation(len(readers))]
        for start in range(len(circle)):
            yield tuple(circle[(start + step) % len(circle)] for step in range(per_image))
