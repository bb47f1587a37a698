"""What frozen features of each network tell on three data sets, with intervals, and what they cost.

python -m benchmarks.backbones --data DIR [--backbone NAME=DIR ...] [--efficientnet FILE.pth] [--out table.json]
python -m benchmarks.backbones --snapshot DIR [--backbone NAME=DIR ...]

The second reads the validation images of a snapshot of a project instead. DIR of `--data` holds `pneumoniamnist.npz`
and `bccd_cells/`. The cohort is made here: subjects from number 40,000 on, on which nothing of Rounds was chosen; the
probe is read on validation subjects, as it is on the chest X-rays. Blood cells are read on photographs that no training
cell comes from. A network with random weights is named after its shape. Penalties are chosen by cross-validation among
the training images alone. A test split is never read.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from torch.nn import functional

from benchmarks.efficientnet_lite0 import EfficientNetLite0
from curation.ingest.virtual_brains.render import CLASSES, render_many, split_of
from curation.snapshots.folder import SnapshotFolder
from train.backbones.load import Backbone
from train.backbones.shipped import SHIPPED_BACKBONE
from train.evaluation.intervals import choose_resampling_units, draw_bootstrap_weights
from train.evaluation.metrics import METRICS, metric_value

FIRST_SUBJECT = 40_000
HELD_OUT_BRAINS = 640
SIZES = {"cohort": (60, 240, 700), "chest X-rays": (100, 1_000, None), "blood cells": (None,)}
SIZES_OF_SNAPSHOTS = (100, None)
CELL_SIDE = 96
RAW_SIDE = 16
PENALTIES = np.logspace(-4, 2, 7)
FOLDS = 5
NEIGHBOURS = 10
RESAMPLES = 1_000
TIMED_IMAGES, TIMED_BATCH, REPEATS = 64, 32, 5
LITE0_SIDE = 168
COLUMNS = ("data", "network", "training images", "probe AUROC", "difference to the first", "probe balanced accuracy",
           "k-NN AUROC", "k-NN balanced accuracy", "ms an image")  # fmt: skip

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Images (N, H, W, C) with their classes (N,) and the subject or photograph of each (N,)."""

    pixels: Pixels
    labels: Labels
    units: Labels

    def first(self, number: int | None) -> slice:
        """The place of the first `number` images; all of them without a number."""
        return slice(0, number)


@dataclass(frozen=True)
class Data:
    """A data set in a training and a held-out part."""

    name: str
    train: Part
    held_out: Part


@dataclass(frozen=True)
class Network:
    """Something that makes one vector of one image: (N, H, W, C) to (N, D)."""

    name: str
    features: Callable[[Pixels], Features]


def brains(split: str, number: int, first: int = FIRST_SUBJECT) -> Part:
    """The first subjects of a split from number `first` on, an image each."""
    chosen = list(islice((n for n in count(first) if split_of(n) == split), number))
    slices = list(render_many(chosen))
    labels = np.array([CLASSES.index(brain.label) for brain in slices])
    return Part(np.stack([brain.pixels[:, :, None] for brain in slices]), labels, np.arange(number))


def chest(path: Path) -> Data:
    """PneumoniaMNIST: its training and its validation images; subjects are not published, so each is its own unit."""
    with np.load(path) as arrays:
        parts = [
            Part(images[..., None], labels.ravel().astype(np.int64), np.arange(len(images)))
            for images, labels in ((arrays[f"{split}_images"], arrays[f"{split}_labels"]) for split in ("train", "val"))
        ]
    return Data("chest X-rays", *parts)


def cells(directory: Path) -> Data:
    """Blood cells: photographs by a hash of their name, two thirds for training."""
    paths = sorted(directory.glob("*/*.*"), key=lambda path: hashlib.sha256(path.stem.encode()).digest())
    names = sorted({path.parent.name for path in paths})
    photographs = ["_".join(path.stem.split("_")[:2]) for path in paths]
    is_held_out = np.array([hashlib.sha256(name.encode()).digest()[0] % 3 == 0 for name in photographs])
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    labels = np.array([names.index(path.parent.name) for path in paths])
    units = np.unique(photographs, return_inverse=True)[1].astype(np.int64)

    def part(chosen: NDArray[np.bool_]) -> Part:
        return Part(pixels[chosen], labels[chosen], np.unique(units[chosen], return_inverse=True)[1])

    return Data("blood cells", part(~is_held_out), part(is_held_out))


def snapshot(directory: Path) -> Data:
    """The real training and validation images of a snapshot, in an order by chance."""
    folder = SnapshotFolder.open(directory)

    def part(split: str) -> Part:
        rows = [row for row in folder.rows(split) if row.origin == "real"]
        rows = [rows[index] for index in np.random.default_rng(0).permutation(len(rows))]
        return Part(folder.pixels(rows), folder.labels(rows), choose_resampling_units(rows, folder.subjects)[1])

    return Data(folder.name, part("train"), part("validation"))


def raw_pixels(pixels: Pixels) -> Features:
    """Gray values of 16 x 16 areas."""
    images = torch.from_numpy(pixels).float().permute(0, 3, 1, 2).mean(dim=1, keepdim=True)
    return functional.adaptive_avg_pool2d(images, RAW_SIDE).flatten(1).numpy()


def of_lite0(path: Path) -> Network:
    """EfficientNet-Lite0 at the input size that DINOv2 has here."""
    model = EfficientNetLite0.load(path)

    @torch.inference_mode()
    def features(pixels: Pixels) -> Features:
        batches = []
        for batch in np.array_split(pixels, max(1, len(pixels) // TIMED_BATCH)):
            images = torch.from_numpy(batch).float().permute(0, 3, 1, 2).expand(-1, 3, -1, -1) / 127.5 - 1
            batches.append(model(functional.interpolate(images, LITE0_SIDE, mode="bicubic", antialias=True)).numpy())
        return np.concatenate(batches)

    return Network("EfficientNet-Lite0", features)


def networks(options: argparse.Namespace) -> Iterator[Network]:
    """Each network that is compared: those given, the same shapes with random weights, and raw pixels."""
    for entry in options.backbone:
        name, _, place = entry.partition("=")
        backbone = Backbone.load(place or SHIPPED_BACKBONE)
        yield Network(name, backbone.features)
        torch.manual_seed(0)
        yield Network(f"{name}, random weights", replace(backbone, model=random_weights(backbone)).features)
    if options.efficientnet:
        yield of_lite0(options.efficientnet)
    yield Network("raw pixels, 16 x 16", raw_pixels)


def random_weights(backbone: Backbone) -> Any:
    """The same architecture as transformers initialises it."""
    model = type(backbone.model)(backbone.model.config)
    return model.train(mode=False)


def probe(train: Features, part: Part, size: int | None, held_out: Features) -> NDArray[np.float64]:
    """Probabilities (N, C) of a logistic regression; its penalty is the best of cross-validation by unit."""
    chosen = part.first(size)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    splits = list(folds.split(train[chosen], part.labels[chosen], part.units[chosen]))
    scaled = StandardScaler().fit(train[chosen])
    model = LogisticRegressionCV(
        Cs=PENALTIES, cv=splits, scoring="neg_log_loss", max_iter=2_000, l1_ratios=(0,), use_legacy_attributes=False
    )
    model.fit(scaled.transform(train[chosen]), part.labels[chosen])
    return np.asarray(model.predict_proba(scaled.transform(held_out)), np.float64)


def neighbours(train: Features, part: Part, size: int | None, held_out: Features) -> NDArray[np.float64]:
    """Shares (N, C) of the classes among the ten nearest by cosine."""
    chosen = part.first(size)
    model = make_pipeline(StandardScaler(), Normalizer(), KNeighborsClassifier(NEIGHBOURS))
    return np.asarray(model.fit(train[chosen], part.labels[chosen]).predict_proba(held_out), np.float64)


def scores(probabilities: NDArray[np.float64], part: Part, reference: NDArray[np.float64] | None) -> dict[str, Any]:
    """AUROC and balanced accuracy with intervals over units, and of AUROC the difference to `reference`."""
    weights = draw_bootstrap_weights(part.units, RESAMPLES, seed=0)
    result: dict[str, Any] = {}
    for metric in ("auroc", "balanced_accuracy"):
        drawn = METRICS[metric](probabilities, part.labels, weights)
        result[metric] = [metric_value(metric, probabilities, part.labels), *interval(drawn)]
    if reference is not None:
        difference = METRICS["auroc"](probabilities, part.labels, weights) - METRICS["auroc"](
            reference, part.labels, weights
        )
        value = result["auroc"][0] - metric_value("auroc", reference, part.labels)
        result["auroc_difference"] = [value, *interval(difference)]
    return result


def interval(drawn: NDArray[np.float64]) -> list[float]:
    """The middle 95 % of resamples."""
    return [float(bound) for bound in np.nanquantile(drawn, (0.025, 0.975))]


def milliseconds(network: Network, pixels: Pixels) -> float:
    """The least time an image takes, over some repeats, preprocessing included."""
    network.features(pixels[:TIMED_BATCH])
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        network.features(pixels[:TIMED_IMAGES])
        times.append(1_000 * (time.perf_counter() - start) / TIMED_IMAGES)
    return min(times)


def measure(data: Data, compared: Sequence[Network]) -> list[dict[str, Any]]:
    """A row for each network and number of training images; differences are to the first network."""
    rows = []
    references: dict[tuple[int | None, str], NDArray[np.float64]] = {}
    for network in compared:
        cost = milliseconds(network, data.train.pixels)
        train, held_out = network.features(data.train.pixels), network.features(data.held_out.pixels)
        for size in SIZES.get(data.name, SIZES_OF_SNAPSHOTS):
            row = {"data": data.name, "network": network.name, "train": size or len(train), "ms": round(cost, 2)}
            for head, solve in (("probe", probe), ("knn", neighbours)):
                probabilities = solve(train, data.train, size, held_out)
                reference = references.setdefault((size, head), probabilities)
                row[head] = scores(probabilities, data.held_out, None if reference is probabilities else reference)
            rows.append(row)
            print(as_line(row), flush=True)
    return rows


def as_line(row: dict[str, Any]) -> str:
    """A row of the table in Markdown."""

    def cell(values: Sequence[float]) -> str:
        return f"{values[0]:.3f} ({values[1]:.3f} to {values[2]:.3f})"

    difference = row["probe"].get("auroc_difference")
    cells_ = [row["data"], row["network"], f"{row['train']:,}", cell(row["probe"]["auroc"]),
              cell(difference) if difference else "reference", cell(row["probe"]["balanced_accuracy"]),
              cell(row["knn"]["auroc"]), cell(row["knn"]["balanced_accuracy"]), f"{row['ms']:.2f}"]  # fmt: skip
    return "| " + " | ".join(cells_) + " |"


def main() -> None:
    """Print the table and keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path)
    source.add_argument("--snapshot", type=Path)
    parser.add_argument("--backbone", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--efficientnet", type=Path)
    parser.add_argument("--only", choices=SIZES, action="append")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.backbone = options.backbone or ["shipped="]
    torch.set_num_threads(1)
    compared = list(networks(options))
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    makers: dict[str, Callable[[], Data]] = {
        "cohort": lambda: Data("cohort", brains("train", max(filter(None, SIZES["cohort"]))),
                               brains("validation", HELD_OUT_BRAINS)),
        "chest X-rays": lambda: chest(options.data / "pneumoniamnist.npz"),
        "blood cells": lambda: cells(options.data / "bccd_cells"),
    }  # fmt: skip
    if options.snapshot:
        rows = measure(snapshot(options.snapshot), compared)
    else:
        rows = [row for name in options.only or SIZES for row in measure(makers[name](), compared)]
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
