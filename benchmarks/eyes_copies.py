"""What features of each backbone add to the copy gate by pixels, and tell of membership.

python -m benchmarks.eyes_copies --data DIR --keep DIR --eye NAME=DIR [--eye ...] [--only SET] [--out copies.json]

Training images are changed and looked for among all training images, as `rounds privacy error-rates` does: half of the
held-out subjects set the thresholds, the other half count false blocks. Two comparisons: the gates as they are, and all
criteria of pixels, of features, and of both at one rank, the highest at which at most 2 % of the setting images lie
beyond any of them, so that the false rates are equal. Further changes lie beyond what the pixel gate searches.
Membership: are subjects whose changed copies were "drawn" told from held-out ones, as `rounds measure` would tell them?
The search by pixels is kept, so another eye costs its own forward passes alone.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.backbones import Data, Part
from benchmarks.embedding import StoredImage
from benchmarks.eyes import Kept, add_common_options, interval, load_eyes, read_data
from curation.alterations.copy_changes import COPY_CHANGES, change_copies
from curation.image_store import Pixels
from curation.near_copies.fingerprints import fingerprints, placements
from curation.progress import silent
from screening.checks.check import Unset
from screening.copies.aligned_search import AlignedSearch
from screening.copies.find import search_file
from screening.copies.gates import (
    AlignedGate,
    CopyGate,
    copied_in_cohort,
    fit_aligned_gate,
    fit_copy_gate,
    half_of_subjects,
)
from screening.copies.thumbnails import thumbnails
from screening.features.neighbours import nearest_of_two_groups
from screening.set_measures.membership import area_under_curve, calibrated_scores
from train.backbones.load import Backbone

EQUAL_FALSE = 0.02
MEASURED_KINDS = ("crop", "shift", "rotation", "scaling", "noise", "elastic")
STRONGEST = {kind: COPY_CHANGES[kind].severities[-1] for kind in MEASURED_KINDS}
BEYOND: dict[str, Callable[[Pixels], Pixels]] = {
    "a quarter turn": lambda pixels: np.rot90(pixels, axes=(1, 2)),
    "a half turn": lambda pixels: np.rot90(pixels, 2, axes=(1, 2)),
    "a third of each side cut off": lambda pixels: change_copies(pixels, "crop", 0.33, 1),
    "inverted": lambda pixels: np.iinfo(pixels.dtype).max - pixels,
}

Distances = NDArray[np.float32]


@dataclass(frozen=True)
class CopyTrial:
    """The images of one data set: references, held-out images for thresholds and for false blocks, and copies."""

    name: str
    train: Part
    setting: Part
    counted: Part
    sources: NDArray[np.int64]  # of the training images, which were copied
    copies: dict[str, Pixels]
    kept: Kept

    def images(self) -> dict[str, Pixels]:
        """Everything that is looked for among the training images."""
        return {"setting": self.setting.pixels, "counted": self.counted.pixels, **self.copies}

    def by_pixels(self) -> dict[str, Distances]:
        """(N, 4) distances of each set by registration, kept in a file."""
        train = self.kept.put(self.train.pixels)
        search = AlignedSearch(thumbnails(self.train.pixels), self.train.units)
        digests = [image.file_sha256 for image in train]
        file = search_file(self.kept.directory, digests, self.train.units.tolist(), search)
        return {name: file.features(self.kept.store, files_of(self.kept.put(pixels)), silent)
                for name, pixels in self.images().items()}  # fmt: skip

    def by_features(self, eye: Backbone) -> dict[str, Distances]:
        """(N, 2) distances of each set by an eye's features."""
        train = self.kept.features(eye, self.train.pixels)
        return {name: nearest_of_two_groups(self.kept.features(eye, pixels)[None], train, self.train.units).distances
                for name, pixels in self.images().items()}  # fmt: skip


def files_of(images: list[StoredImage]) -> list[str]:
    """The digests of their files."""
    return [image.file_sha256 for image in images]


def prepare(data: Data, kept: Kept, copies: int, seed: int) -> CopyTrial:
    """Copy training images and split the held-out subjects; those that are training images themselves are left out."""
    near = nearest_of_two_groups(
        placements(fingerprints(data.held_out.pixels)), fingerprints(data.train.pixels), data.train.units
    )
    original = ~copied_in_cohort(near.distances)
    half = half_of_subjects(data.held_out.units.tolist(), seed)
    sources = np.sort(np.random.default_rng(seed).permutation(len(data.train.labels))[:copies])
    originals = data.train.pixels[sources]
    changed = {f"{kind}, {severity:g}": change_copies(originals, kind, severity, seed + number)
               for number, (kind, severity) in enumerate(STRONGEST.items())}  # fmt: skip
    changed |= {name: np.ascontiguousarray(change(originals)) for name, change in BEYOND.items()}
    setting, counted = (rows_of(data.held_out, chosen & original) for chosen in (half, ~half))
    return CopyTrial(data.name, data.train, setting, counted, sources, changed, kept)


def rows_of(part: Part, rows: NDArray[np.bool_]) -> Part:
    """Some images of a part."""
    return Part(part.pixels[rows], part.labels[rows], part.units[rows])


def criteria(distances: Distances) -> NDArray[np.float64]:
    """Each distance, and its ratio to that of the next subject: (N, 2) for features, (N, 4) for pixels."""
    pairs = distances.astype(np.float64).reshape(len(distances), -1, 2)
    return np.stack([pairs[:, :, 0], pairs[:, :, 0] / np.maximum(pairs[:, :, 1], 1e-12)], axis=2).reshape(
        len(distances), -1
    )


def thresholds_at_one_rank(setting: NDArray[np.float64]) -> NDArray[np.float64]:
    """A threshold for each criterion, at the highest rank where at most EQUAL_FALSE of the images lie below any."""
    ranks = setting.argsort(axis=0).argsort(axis=0).min(axis=1)
    rank = int(np.sort(ranks)[int(EQUAL_FALSE * len(setting))])
    limits: NDArray[np.float64] = np.sort(setting, axis=0)[rank]
    return limits


def at_equal_rate(sets: dict[str, list[Distances]]) -> dict[str, NDArray[np.bool_]]:
    """Which images of each set lie below a threshold, all criteria of the distances given at one rank."""
    joined = {name: np.concatenate([criteria(part) for part in parts], axis=1) for name, parts in sets.items()}
    limits = thresholds_at_one_rank(joined["setting"])
    return {name: (values < limits).any(axis=1) for name, values in joined.items()}


def blocked(gate: CopyGate | AlignedGate | Unset, distances: Distances) -> NDArray[np.bool_]:
    """Which images a gate blocks."""
    if isinstance(gate, Unset):
        raise SystemExit(f"the gate cannot be set: {gate.reason}")
    return np.array([gate.judge(*row).verdict == "block" for row in distances.tolist()], bool)


def compare(trial: CopyTrial, eye: Backbone, by_pixels: dict[str, Distances]) -> dict[str, Any]:
    """Caught copies and false blocks: of the gates as they are, and at equal false rates; membership by the copies."""
    by_features = trial.by_features(eye)
    subjects = trial.setting.units.tolist()
    gates = fit_copy_gate(by_features["setting"], subjects), fit_aligned_gate(by_pixels["setting"], subjects)
    names = [name for name in by_features if name != "setting"]
    ways = {
        "features": {name: blocked(gates[0], by_features[name]) for name in names},
        "pixels": {name: blocked(gates[1], by_pixels[name]) for name in names},
        "equal: features": at_equal_rate({name: [by_features[name]] for name in by_features}),
        "equal: pixels": at_equal_rate({name: [by_pixels[name]] for name in by_features}),
        "equal: both": at_equal_rate({name: [by_features[name], by_pixels[name]] for name in by_features}),
    }
    ways["both"] = {name: ways["features"][name] | ways["pixels"][name] for name in names}
    rows = {name: {way: counted(hits[name], trial, name) for way, hits in ways.items()} for name in names}
    return {"blocked": rows, "membership": membership(trial, eye)}


def counted(hits: NDArray[np.bool_], trial: CopyTrial, name: str) -> list[float]:
    """How many, of how many, and the interval by subjects."""
    units = trial.counted.units if name == "counted" else trial.train.units[trial.sources]
    return [int(hits.sum()), len(hits), *interval(int(hits.sum()), len(hits), units)]


def membership(trial: CopyTrial, eye: Backbone) -> dict[str, list[float]]:
    """The AUC of copied training images against held-out ones, by the nearest copy relative to other real images."""
    train, drawn = trial.kept.features(eye, trial.train.pixels).astype(np.float64), {}
    others = trial.kept.features(eye, trial.counted.pixels).astype(np.float64)
    is_member = np.isin(np.arange(len(train)), trial.sources)
    for name, pixels in trial.copies.items():
        copies = trial.kept.features(eye, pixels).astype(np.float64)
        scores = [calibrated_scores(group, copies, train[~is_member]) for group in (train[is_member], others)]
        area = area_under_curve(*scores)
        drawn[name] = [area.value, area.low, area.high]
    return drawn


def main() -> None:
    """Print a line a data set and eye, and keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_options(parser)
    parser.add_argument("--copies", type=int, default=40, help="training images that are copied")
    options = parser.parse_args()
    torch.set_num_threads(1)
    eyes, kept, rows = load_eyes(options.eye), Kept(options.keep), []
    for data in read_data(options):
        trial = prepare(data, kept, options.copies, options.seed)
        by_pixels = trial.by_pixels()
        for name, eye in eyes.items():
            rows.append({"data": data.name, "eye": name, "digest": eye.digest[:12], **compare(trial, eye, by_pixels)})
            print(json.dumps(rows[-1]), flush=True)
            if options.out:
                options.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
