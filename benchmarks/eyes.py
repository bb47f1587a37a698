"""Images, features and options of the scripts that compare backbones on three data sets.

DIR of `--data` holds `pneumoniamnist.npz` and `bccd_cells/`; the cohort is made here, as in `benchmarks.backbones`, and
kept in `--keep` with all images and every feature, so that another eye costs its own forward passes alone.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.backbones import Data, Labels, Part, brains, cells, chest
from benchmarks.embedding import StoredImage
from curation.estimates import exact_interval
from curation.image_store import ImageStore, Pixels, pixel_sha256
from curation.progress import silent
from screening.features.appearance import WIDTH, appearance, split_appearance
from screening.features.descriptors import Descriptors, pixel_fact_file, split_pixel_facts
from screening.features.feature_file import FeatureFile
from train.backbones.load import Backbone
from train.features.feature_cache import FeatureCache
from train.features.grid_file import stored_grids
from train.fitting.device import choose_device

FIRST_SUBJECT = 200_000
SETS = ("cohort", "chest X-rays", "blood cells")
TRAINING = 400
HELD_OUT = 240


@dataclass(frozen=True)
class Kept:
    """Images of any origin in a store, and what is computed of them, in a directory that the next run reads."""

    directory: Path

    @property
    def store(self) -> ImageStore:
        """The images, by their content."""
        return ImageStore(f"{self.directory}/store")

    def put(self, pixels: Pixels) -> list[StoredImage]:
        """Store images (N, H, W, C)."""
        self.store.prepare()
        return [StoredImage(self.store.put_pixels(image), pixel_sha256(image)) for image in pixels]

    def features(self, eye: Backbone, pixels: Pixels) -> NDArray[np.float32]:
        """Features (N, D) of an eye, each computed once."""
        return FeatureCache(eye, self.directory).of_stored(self.store, self.put(pixels), silent)

    def described(self, eye: Backbone, pixels: Pixels, labels: Sequence[str | None]) -> Descriptors:
        """Images as the checks see them."""
        images = self.put(pixels)
        digests = [image.file_sha256 for image in images]
        grid = stored_grids(eye, self.directory, self.store, images, silent)
        measured, prints = split_pixel_facts(pixel_fact_file(self.directory).features(self.store, digests, silent))
        looks = FeatureFile(self.directory, "appearance-1", WIDTH, appearance)
        spectra, levels = split_appearance(looks.features(self.store, digests, silent))
        return Descriptors(self.features(eye, pixels), grid, measured, prints, spectra, levels, list(labels))


def read_data(options: argparse.Namespace) -> list[Data]:
    """The data sets asked for, each with at most `TRAINING` training and `HELD_OUT` held-out images."""
    makers: dict[str, Callable[[], Data]] = {
        "cohort": lambda: cohort(options.keep / "cohort.npz"),
        "chest X-rays": lambda: chest(options.data / "pneumoniamnist.npz"),
        "blood cells": lambda: cells(options.data / "bccd_cells"),
    }
    read = [makers[name]() for name in options.only or SETS]
    return [Data(data.name, first_of(data.train, TRAINING), first_of(data.held_out, HELD_OUT)) for data in read]


def first_of(part: Part, number: int) -> Part:
    """The first images of a part."""
    units = np.unique(part.units[:number], return_inverse=True)[1]
    return Part(part.pixels[:number], part.labels[:number], units)


def cohort(path: Path) -> Data:
    """Virtual brains, rendered once."""
    numbers, fields = {"train": TRAINING, "validation": HELD_OUT}, ("pixels", "labels", "units")
    if not path.is_file():
        parts = {split: brains(split, number, FIRST_SUBJECT) for split, number in numbers.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path, **{f"{split}_{field}": getattr(part, field) for split, part in parts.items() for field in fields}
        )
    with np.load(path) as arrays:
        train, held_out = (Part(*(arrays[f"{split}_{field}"] for field in fields)) for split in numbers)
    return Data("cohort", train, held_out)


def load_eyes(entries: Sequence[str]) -> dict[str, Backbone]:
    """Backbones by the names that the tables give them: `NAME=DIR`."""
    pairs = (entry.partition("=") for entry in entries)
    return {name: Backbone.load(place or "shipped", choose_device()) for name, _, place in pairs}


def interval(caught: int, n: int, units: Labels) -> tuple[float, float]:
    """The exact interval of a share; where a subject has several images, as if there were one of each subject."""
    distinct = min(len(np.unique(units)), n)
    return exact_interval(caught * distinct / n, distinct)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Options of the scripts that compare eyes."""
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--eye", action="append", required=True, metavar="NAME=DIR")
    parser.add_argument("--only", choices=SETS, action="append")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
