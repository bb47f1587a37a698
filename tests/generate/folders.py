"""Tiny snapshot folders and recipes for the tests of the generator."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from curation.image_store import encode_png, pixel_sha256
from curation.snapshots.folder import FORMAT, SnapshotFolder, SnapshotRow, write_rows
from generate.latent_flow import fit_flow
from generate.latent_flow.recipe import AutoencoderRecipe, FitRecipe, FlowRecipe

CLASSES = ["dark", "bright"]

if os.environ.get("ROUNDS_SOAK") != "1":
    # Images of a class on each picture that a fit leaves: twelve took most of a tiny fit. Weights do not depend on it.
    fit_flow.GRID_PER_CLASS = 4


def tiny_recipe(**changes: object) -> FitRecipe:
    """Make a recipe that fits in about a second."""
    small = {"steps": 6, "batch_size": 4, "layers_per_block": 1}
    values = {
        "checkpoint_every": 2,
        "grid_every": 4,
        "autoencoder": AutoencoderRecipe(block_out_channels=(8, 8), **small),
        "flow": FlowRecipe(block_out_channels=(16, 16), attention_head_dim=8, **small),
    }
    return FitRecipe(**(values | changes))


def write_folder(
    path: Path, shape: tuple[int, int, int] = (12, 12, 1), per_class: int = 6, validation: int = 2, bits: int = 8
) -> SnapshotFolder:
    """Write a snapshot folder of noise around two levels; a third of the training images are synthetic."""
    rng = np.random.default_rng(0)
    rows: dict[str, list[SnapshotRow]] = {"train": [], "validation": []}
    for split, count in (("train", per_class), ("validation", validation)):
        (path / split).mkdir(parents=True)
        for level, label in zip((60, 180), CLASSES, strict=True):
            for number in range(count):
                pixels = (level + rng.integers(-20, 20, shape)).astype(np.uint16 if bits == 16 else np.uint8)
                synthetic = split == "train" and number % 3 == 2
                content = encode_png(pixels)
                name = f"{split}-{label}-{number}.png"
                (path / split / name).write_bytes(content)
                row = SnapshotRow(
                    file_name=name,
                    label=label,
                    subject=None if synthetic else f"{split}-{label}-{number}",
                    origin="synthetic" if synthetic else "real",
                    weight=1.0,
                    pixel_sha256=pixel_sha256(pixels),
                    file_sha256=hashlib.sha256(content).hexdigest(),
                    split=split,
                    why="test",
                    generator="older" if synthetic else None,
                )
                rows[split].append(row)
        write_rows(path, split, rows[split])
    manifest = {
        "format": FORMAT,
        "name": "tiny",
        "digest": hashlib.sha256(str(path).encode()).hexdigest(),
        "classes": CLASSES,
        "shape": list(shape),
        "bits": bits,
        "subjects": "known",
        "notice": "made for a test",
        "lineage": {"generators": []},
        "counts": {split: len(split_rows) for split, split_rows in rows.items()},
        "recipe": {},
    }
    (path / "snapshot.json").write_text(json.dumps(manifest))
    return SnapshotFolder.open(path)
