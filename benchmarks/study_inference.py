"""How often a study claims or sees what is not there: simulated studies whose arms are exchangeable.

    python -m benchmarks.study_inference --studies 400

A study draws training, synthetic and test subjects of two classes from two normal clouds in eight dimensions, fits a
ridge on them, and measures AUROC on the test subjects. `plus_random` and `plus_approved` add synthetic subjects of one
and the same kind, drawn apart: no curation took place. Printed per cell: how often the interval of their difference
excludes 0 (wanted: 5 %), with replicates that halve what they train on and with replicates that vary only what a fit
draws (as studies had before), and how often approved is above real-only and random both (a false claim; wanted: 2.5 %).
"""

import argparse
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.estimates import exact_interval
from train.evaluation.intervals import draw_bootstrap_weights, halves_interval, seed_interval
from train.evaluation.metrics import auroc

Floats = NDArray[np.float64]
DIMENSIONS = 8
RESAMPLES = 100


@dataclass(frozen=True)
class StudySize:
    """The size of a simulated study."""

    replicates: int
    real: int
    synthetic: int
    test: int
    separation: float


CELLS = [
    StudySize(10, 40, 40, 60, 2.0),
    StudySize(10, 20, 20, 300, 2.0),
    StudySize(10, 40, 40, 300, 4.0),
    StudySize(10, 120, 120, 300, 1.0),
    StudySize(50, 20, 20, 300, 2.0),
]


def draw(random: np.random.Generator, count: int, separation: float) -> tuple[Floats, Floats]:
    """Subjects (count, DIMENSIONS) of two classes in turn, and their classes."""
    classes = np.arange(count) % 2.0
    subjects = random.normal(size=(count, DIMENSIONS))
    subjects[:, 0] += separation * (classes - 0.5)
    return subjects, classes


def fit(subjects: Floats, classes: Floats, random: np.random.Generator) -> Floats:
    """Weights of a ridge; the noise stands for what the order of images and first weights do to a fit."""
    centred = subjects - subjects.mean(axis=0)
    inner = centred.T @ centred + 0.1 * len(subjects) * np.eye(DIMENSIONS)
    weights: Floats = np.linalg.solve(inner, centred.T @ (classes - classes.mean()))
    return weights * random.normal(1, 0.05, DIMENSIONS)


def halves(random: np.random.Generator, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two halves of `count` subjects with as many of each class."""
    orders = [random.permutation(np.arange(place, count, 2)) for place in (0, 1)]
    return (
        np.concatenate([order[: len(order) // 2] for order in orders]),
        np.concatenate([order[len(order) // 2 :] for order in orders]),
    )


@dataclass(frozen=True)
class SimulatedStudy:
    """One simulated study: its subjects, and the AUROC of each arm under each resample of the test subjects."""

    cell: StudySize
    random: np.random.Generator
    real: tuple[Floats, Floats]
    added: dict[str, tuple[Floats, Floats] | None]
    test: tuple[Floats, Floats]
    weights: Floats

    @classmethod
    def drawn(cls, cell: StudySize, seed: int) -> "SimulatedStudy":
        """Draw one."""
        random = np.random.default_rng(seed)
        real, random_arm, approved = (
            draw(random, count, cell.separation) for count in (cell.real, cell.synthetic, cell.synthetic)
        )
        weights = draw_bootstrap_weights(np.arange(cell.test, dtype=np.int64), RESAMPLES, seed)
        added = {"real_only": None, "plus_random": random_arm, "plus_approved": approved}
        weights = np.vstack([np.ones(cell.test), weights])
        return cls(cell, random, real, added, draw(random, cell.test, cell.separation), weights)

    def scores(self, halved: bool) -> dict[str, Floats]:
        """AUROC (replicates, 1 + RESAMPLES) of each arm; the first column counts every test subject once."""
        values: dict[str, list[Floats]] = {arm: [] for arm in self.added}
        everybody = np.arange(self.cell.real), np.arange(self.cell.synthetic)
        for replicate in range(self.cell.replicates):
            if replicate % 2 == 0:
                split = [halves(self.random, self.cell.real), halves(self.random, self.cell.synthetic)]
            chosen = [halves_[replicate % 2] for halves_ in split] if halved else everybody
            for arm, more in self.added.items():
                parts = [tuple(part[chosen[0]] for part in self.real)]
                parts += [] if more is None else [tuple(part[chosen[1]] for part in more)]
                fitted = fit(*(np.concatenate(part) for part in zip(*parts, strict=True)), self.random)
                values[arm].append(self._auroc(self.test[0] @ fitted))
        return {arm: np.array(rows) for arm, rows in values.items()}

    def _auroc(self, scores: Floats) -> Floats:
        return auroc(np.stack([-scores, scores], axis=1), self.test[1].astype(np.int64), self.weights)

    def bounds(self, arm: str, other: str, scores: dict[str, Floats], halved: bool) -> tuple[float, float]:
        """The interval of the difference of two arms, as a study computes it."""
        difference = scores[arm] - scores[other]
        values, resampled = difference[:, 0], difference[:, 1:].mean(axis=0)
        if halved:
            interval = halves_interval(values, resampled, self.cell.test, self.cell.real, 0.95, (-1, 1))
        else:
            interval = seed_interval(values, resampled, self.cell.test, 0.95, (-1, 1))
        return interval.low, interval.high


def main() -> None:
    """Simulate every cell and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=400)
    studies = parser.parse_args().studies
    print(
        "| replicates | real + synthetic | test | separation | halves: differ | before: differ | halves: false claims |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for cell in CELLS:
        counts = np.zeros(3, int)
        for seed in range(studies):
            study = SimulatedStudy.drawn(cell, seed)
            halved, before = study.scores(halved=True), study.scores(halved=False)
            low, high = study.bounds("plus_approved", "plus_random", halved, halved=True)
            old_low, old_high = study.bounds("plus_approved", "plus_random", before, halved=False)
            above_real = study.bounds("plus_approved", "real_only", halved, halved=True)[0] > 0
            counts += [not low <= 0 <= high, not old_low <= 0 <= old_high, low > 0 and above_real]
        shares = [f"{hits / studies:.1%} ({exact_interval(hits, studies)[1]:.1%})" for hits in counts.tolist()]
        size = f"{cell.replicates} | {cell.real} + {cell.synthetic} | {cell.test} | {cell.separation}"
        print(f"| {size} | {' | '.join(shares)} |", flush=True)
    print(f"\nof {studies} studies a cell; in brackets the upper end of the 95 % interval", file=sys.stderr)


if __name__ == "__main__":
    main()
