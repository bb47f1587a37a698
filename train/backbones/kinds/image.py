"""Image models: configuration, preprocessing and weights; the input size stands in the preprocessing."""

import json
from pathlib import Path

import numpy as np

from train.backbones.card import KEPT_BESIDE
from train.backbones.catalogue import CatalogueEntry
from train.backbones.default_size import default_input_size
from train.backbones.load import BACKBONE_FILES, Backbone
from train.backbones.processor_config import FILE

FILES = (*BACKBONE_FILES, *KEPT_BESIDE)


def finish(directory: Path, entry: CatalogueEntry | None, input_size: int | None, image_side: int | None) -> int:
    """Set the input size, by default the catalogue's for such images, and compute features of noise."""
    size = input_size or (default_input_size(entry, image_side) if entry else None)
    if size is not None:
        _set_input_size(directory, size)
    backbone = Backbone.load(directory)
    height, width = backbone.preprocessing.input_size
    noise = np.random.default_rng(0).integers(0, 256, (1, height, width, 1), dtype=np.uint8)
    backbone.features(noise)
    return max(height, width)


def _set_input_size(directory: Path, size: int) -> None:
    """Write the size into preprocessor_config.json, so that digest and features follow it."""
    preprocessing = Backbone.load(directory, input_size=size).preprocessing
    (directory / FILE).write_text(json.dumps(preprocessing.as_config(), indent=1) + "\n")
