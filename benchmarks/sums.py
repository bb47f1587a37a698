"""What a head from sums costs: in seconds, under noise, and over five rounds of shifted data.

python -m benchmarks.sums --data DIR [--backbone DIR] [--keep DIR] [--picture sums.png]

DIR holds `pneumoniamnist.npz`. The cohort is made here, as in `benchmarks.backbones`. Half of the held-out subjects set
scale, penalty and slope, the other half is scored; a test split is never read. `--keep` keeps features for another run.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from benchmarks.backbones import Data, Features, Labels, Part, brains, chest
from curation.progress import silent
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples
from train.adaptation.fit import FitTask, train_model
from train.adaptation.model import StandardizedHead
from train.backbones.load import Backbone
from train.backbones.shipped import SHIPPED_BACKBONE
from train.evaluation.intervals import draw_bootstrap_weights
from train.evaluation.metrics import METRICS, metric_value
from train.fitting.checkpoint import Checkpoint
from train.sums.privacy import mu_of
from train.sums.private_sums import add_noise, bounded_sums, in_features, sensitivity, standardisation
from train.sums.rows import Rows, SummedImage
from train.sums.solve import Head, solve
from train.sums.sums import Sums

EPSILONS, DELTA, DRAWS = (0.5, 1.0, 2.0, 4.0, 8.0), 1e-5, 2
ROUNDS, RESAMPLES, REPEATS = 5, 500, 3
TRAINING_BRAINS, HELD_OUT_BRAINS = 700, 640
MOSTLY = 0.9  # of a round is of one class

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Set:
    """Features with classes: of training images, and of two halves of the held-out ones."""

    name: str
    train: tuple[Features, Labels]
    setting: tuple[Features, Labels]
    scored: tuple[Features, Labels]
    units: Labels

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes: their numbers."""
        return tuple(map(str, range(int(self.train[1].max()) + 1)))

    def sums(self, part: tuple[Features, Labels]) -> Sums:
        """Sum a part."""
        return Sums.of(*part, np.ones(len(part[1])), self.classes)


def load(data: Data, backbone: Backbone, keep: Path) -> Set:
    """Compute the features of a data set, or read those that are kept."""

    def features(name: str, part: Part) -> Features:
        path = keep / f"{backbone.name}-{data.name.replace(' ', '-')}-{name}.npy"
        if not path.exists():
            keep.mkdir(parents=True, exist_ok=True)
            np.save(path, backbone.features(part.pixels))
        return np.load(path)

    train, held = features("train", data.train), features("held-out", data.held_out)
    sets = data.held_out.units % 2 == 0
    labels = data.held_out.labels
    units = np.unique(data.held_out.units[~sets], return_inverse=True)[1]
    return Set(data.name, (train, data.train.labels), (held[sets], labels[sets]), (held[~sets], labels[~sets]), units)


def chances(head: Head, features: Features) -> Scores:
    """Class probabilities (N, C)."""
    logits = features @ head.weight.T + head.bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def measured(scores: Scores, of: Set, metric: str = "auroc") -> tuple[float, float, float]:
    """A metric on the scored half with a 95 % interval over its subjects."""
    weights = draw_bootstrap_weights(of.units, RESAMPLES, 0)
    low, high = np.nanpercentile(METRICS[metric](scores, of.scored[1], weights), [2.5, 97.5])
    return metric_value(metric, scores, of.scored[1]), float(low), float(high)


def private_curve(of: Set) -> list[tuple[str, float, float, float]]:
    """AUROC of the plain head, of the head from bounded parts without noise, and of heads for each ε."""
    even, validation = np.ones(len(of.classes)), of.sums(of.setting)
    mean, scale = standardisation(validation)
    features, labels = of.train
    images = tuple(SummedImage("train", of.classes[y], f"s{n}", f"p{n}", "real") for n, y in enumerate(labels))
    bounded = bounded_sums(Rows(images, features, np.ones(len(labels))), of.classes, mean, scale, 1.0)

    def auroc(sums: Sums, scaled: bool) -> tuple[float, float, float]:
        head = solve(sums, validation, even, scale=scale if scaled else None)
        return measured(chances(head, of.scored[0]), of)

    lines = [("exact", *auroc(of.sums(of.train), False)), ("bounded", *auroc(in_features(bounded, mean, scale), True))]
    for epsilon in EPSILONS:
        deviation = sensitivity(1.0) / mu_of(epsilon, DELTA)
        draws = [add_noise(bounded, deviation, np.random.default_rng(seed)) for seed in range(DRAWS)]
        values = np.mean([auroc(in_features(draw, mean, scale), True) for draw in draws], axis=0)
        lines.append((f"{epsilon:g}", *map(float, values)))
    return lines


def shifted_rounds(labels: Labels) -> list[Labels]:
    """Split training images into rounds that are mostly of one class each, in turn."""
    rng, left = np.random.default_rng(0), set(range(len(labels)))
    size, rounds = len(labels) // ROUNDS, []
    for number in range(ROUNDS):
        wanted = [n for n in left if labels[n] == number % (labels.max() + 1)]
        chosen = set(rng.permutation(wanted)[: int(MOSTLY * size)].tolist())
        rest = rng.permutation(sorted(left - chosen))[: size - len(chosen)].tolist()
        rounds.append(np.array(sorted({*chosen, *rest})))
        left -= set(rounds[-1].tolist())
    return rounds


def forgetting(of: Set) -> dict[str, list[float]]:
    """Balanced accuracy on all classes after each round: by sums, tuned on the newest round, and on all at once."""
    features, labels = of.train
    validation, even, n_classes = of.sums(of.setting), np.ones(len(of.classes)), len(of.classes)
    known = Sums.nothing(features.shape[1], of.classes)
    torch.manual_seed(0)
    tuned = StandardizedHead.fitted(torch.from_numpy(features), n_classes)
    joint = StandardizedHead.fitted(torch.from_numpy(features), n_classes)
    config = AdaptationConfig(epochs=30, patience=None, class_balanced=False)
    curves: dict[str, list[float]] = {"sums": [], "newest round only": [], "all rounds at once": []}
    seen = np.array([], dtype=np.int64)

    def tune(head: StandardizedHead, chosen: Labels) -> float:
        inputs = torch.from_numpy(features[chosen])
        examples = Examples(lambda places: inputs[places], labels[chosen], np.ones(len(chosen)))
        with tempfile.TemporaryDirectory() as scratch:
            checkpoint = Checkpoint(Path(scratch) / "fit.pt", "benchmark")
            train_model(head, FitTask(examples, None, config, silent, checkpoint))
        with torch.inference_mode():
            scores = head(torch.from_numpy(of.scored[0])).softmax(dim=1).double().numpy()
        return metric_value("balanced_accuracy", scores, of.scored[1])

    for chosen in shifted_rounds(labels):
        known = known + Sums.of(features[chosen], labels[chosen], np.ones(len(chosen)), of.classes)
        seen = np.concatenate([seen, chosen])
        head = solve(known, validation, even)
        curves["sums"].append(metric_value("balanced_accuracy", chances(head, of.scored[0]), of.scored[1]))
        curves["newest round only"].append(tune(tuned, chosen))
    curves["all rounds at once"] = [tune(joint, seen)]
    return curves


def seconds(of: Set) -> dict[str, float]:
    """Processor seconds of one thread: the median of interleaved repeats."""
    features, labels = of.train
    validation, even = of.sums(of.setting), np.ones(len(of.classes))
    whole = of.sums(of.train)
    leaving = Sums.of(features[:4], labels[:4], np.ones(4), of.classes)

    def by_scikit() -> None:
        inputs = StandardScaler().fit_transform(features.astype(np.float64))
        Ridge(alpha=float(len(labels)), solver="cholesky").fit(inputs, np.eye(len(of.classes))[labels])

    ways: dict[str, Callable[[], object]] = {
        "sums, all penalties": lambda: solve(of.sums(of.train), validation, even),
        "scikit-learn Ridge, one penalty": by_scikit,
        "four images taken out, solved again": lambda: solve(whole - leaving, validation, even),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            began = time.process_time()
            way()
            taken[name].append(time.process_time() - began)
    return {name: sorted(values)[REPEATS // 2] for name, values in taken.items()}


def draw(path: Path, private: dict[str, list[tuple[str, float, float, float]]], curves: dict[str, list[float]]) -> None:
    """Draw AUROC against ε, and balanced accuracy over the rounds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, lines in private.items():
        values = np.array([line[1:] for line in lines[2:]])
        around = np.abs(values[:, 1:] - values[:, :1]).T
        line = left.errorbar(EPSILONS, values[:, 0], around, marker="o", capsize=3, label=f"{name}, private")
        left.axhline(lines[0][1], ls="--", color=line[0].get_color(), label=f"{name}, exact")
    left.set(xscale="log", xlabel=f"ε for each subject (δ = {DELTA:g})", ylabel="AUROC", title="A private head")
    left.set_xticks(EPSILONS, [f"{epsilon:g}" for epsilon in EPSILONS])
    left.minorticks_off()
    left.legend()
    for (name, values), marker in zip(list(curves.items())[:2], "os", strict=True):
        right.plot(range(1, ROUNDS + 1), values, marker=marker, label=name)
    right.axhline(curves["all rounds at once"][0], ls="--", color="gray", label="tuned on all rounds at once")
    right.set(xlabel="round", ylabel="balanced accuracy, all classes", title="Five rounds, each mostly of one class")
    right.set_xticks(range(1, ROUNDS + 1))
    right.set_ylim(bottom=0.55)
    right.legend(loc="lower left")
    figure.savefig(path, dpi=90)


def main() -> None:
    """Print every number and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", type=Path, default=SHIPPED_BACKBONE)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    backbone = Backbone.load(options.backbone)
    with tempfile.TemporaryDirectory() as scratch:
        keep = options.keep or Path(scratch)
        cohort = Data("cohort", brains("train", TRAINING_BRAINS), brains("validation", HELD_OUT_BRAINS))
        sets = [load(data, backbone, keep) for data in (cohort, chest(options.data / "pneumoniamnist.npz"))]
    curves = forgetting(sets[0])
    for name, values in curves.items():
        told = ", ".join(f"{value:.3f}" for value in values)
        print(f"rounds of the cohort, balanced accuracy, {name}: {told}", flush=True)
    for name, value in seconds(sets[0]).items():
        print(f"cohort, {len(sets[0].train[1])} images, {name}: {value:.3f} s of one processor", flush=True)
    private = {}
    for of in sets:
        private[of.name] = private_curve(of)
        for line in private[of.name]:
            print(f"{of.name}, {len(of.train[1])} training images, AUROC {line[0]}: "
                  f"{line[1]:.3f} ({line[2]:.3f} to {line[3]:.3f})", flush=True)  # fmt: skip
    if options.picture:
        draw(options.picture, private, curves)


if __name__ == "__main__":
    main()
