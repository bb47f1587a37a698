"""How often the 95 % intervals of set measures hold the mean of the measure at that n.

python benchmarks/set_measure_intervals.py [--n 30 77 200] [--worlds 200] [--resamples 60] [--bootstrap]

Real, held-out and drawn images are points of a mixture of Gaussians with 16 features; the drawn ones are moved and
narrower. The truth is the mean over 1,000 further worlds. `--bootstrap` shows what images drawn with repeats do.
"""

import argparse
import json
import time
from collections import defaultdict

import numpy as np
from sklearn.decomposition import PCA

from screening.set_measures import intervals
from screening.set_measures.scope import ImageSet, Sides, measure_scope

DIMENSION, RINGS, MODES = 16, 32, 4
TRUTH_WORLDS = 1_000


def draw(random: np.random.Generator, n: int, moved: bool) -> ImageSet:
    """`n` images of a world in which the drawn ones are nearer to each other and a little elsewhere."""
    centres = 3 * np.random.default_rng(0).normal(size=(MODES, DIMENSION))
    modes = random.integers(0, MODES - 1 if moved else MODES, n)
    width = 0.8 if moved else 1.0
    features = centres[modes] + width * random.normal(size=(n, DIMENSION)) + (0.15 if moved else 0.0)
    return ImageSet(features, random.normal(size=(n, RINGS)) - (0.5 if moved else 0.0))


def world(random: np.random.Generator, n: int) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Real, held-out and drawn images."""
    return draw(random, n, False), draw(random, n, False), draw(random, n, True)


def truths(n: int, basis: np.ndarray) -> dict[str, float]:
    """The mean of every measure at this n; principal components are those of one large real set."""
    random = np.random.default_rng(1)
    held_by_name = defaultdict(list)
    for _ in range(TRUTH_WORLDS):
        real, held_out, drawn = world(random, n)
        sides = Sides(real, held_out, drawn, _components(basis, n), plain=n > DIMENSION)
        for key, value in sides.measure((np.arange(n),) * 3).items():
            held_by_name[key].append(value)
    return {name: float(np.mean(values)) for name, values in held_by_name.items()}


def _components(basis: np.ndarray, n: int) -> PCA:
    return PCA(min(32, n // 5, DIMENSION), svd_solver="full").fit(basis)


def with_repeats(sizes: list[int], resamples: int, seed: int) -> list[tuple[np.ndarray, ...]]:
    """What a bootstrap takes: as many as there are, with repeats."""
    random = np.random.default_rng(seed)
    return [tuple(random.integers(0, size, size) for size in sizes) for _ in range(resamples)]


def main() -> None:
    """Print one JSON line for each n: the share of worlds whose interval holds the truth, by measure and side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[30, 77, 200])
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=60)
    parser.add_argument("--bootstrap", action="store_true")
    options = parser.parse_args()
    if options.bootstrap:
        intervals.parts_of = with_repeats
        intervals.standard_error = lambda values, n: float(np.std(values, ddof=1))
    basis = draw(np.random.default_rng(2), 20_000, False).features
    for n in options.n:
        began = time.monotonic()
        truth = truths(n, basis)
        held: dict[str, list[bool]] = defaultdict(list)
        widths: dict[str, list[float]] = defaultdict(list)
        for number in range(options.worlds):
            random = np.random.default_rng([3, number])
            for row in measure_scope(*world(random, n), basis[:5_000], options.resamples, number):
                for side in ("value", "floor", "excess"):
                    interval = getattr(row, side)
                    if f"{row.key}/value" not in truth or interval is None:
                        continue
                    values = truth[f"{row.key}/value"], truth[f"{row.key}/floor"]
                    wanted = values[0] - values[1] if side == "excess" else values[side == "floor"]
                    held[f"{row.key}/{side}"].append(interval.low <= wanted <= interval.high)
                    widths[f"{row.key}/{side}"].append(interval.high - interval.low)
        shares = {name: round(float(np.mean(values)), 3) for name, values in held.items()}
        print(json.dumps({"n": n, "worlds": options.worlds, "seconds": round(time.monotonic() - began), "held": shares,
                          "width": {name: round(float(np.mean(values)), 3) for name, values in widths.items()}}),
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
