"""What it takes to embed stored images beside a bare loop of the same network over ready inputs.

python -m benchmarks.embedding [--backbone DIR] [--images 10000] [--rows 500] [--threads 1]

Slices of the simulated cohort are stored as files, each shifted by several amounts so that all differ. The commands'
own path (`FeatureCache.of_stored`) reads, decodes, preprocesses, runs the network and keeps the features; the bare loop
has the inputs in memory, in batches of 8, 32 or 64, whichever is quickest here, and keeps nothing. Both take turns.
Then the same images are asked for again, which is reading.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from curation.image_store import ImageStore, Pixels, pixel_sha256
from curation.ingest.virtual_brains.render import render_many
from curation.progress import silent
from train.backbones.load import Backbone
from train.backbones.shipped import SHIPPED_BACKBONE
from train.features.feature_cache import FeatureCache
from train.fitting.device import choose_device

FIRST_SUBJECT = 500_000
SHIFTS = 10
TRIED_ROWS = (8, 32, 64)
LEAST_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class StoredImage:
    """The digests of a stored image."""

    file_sha256: str
    pixel_sha256: str


def main() -> None:
    """Print images a second of both and of the second use; fails below the least share of the bare loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", type=Path, default=SHIPPED_BACKBONE)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=500, help="images of one turn")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    backbone = Backbone.load(options.backbone, choose_device())
    with tempfile.TemporaryDirectory() as scratch:
        store = ImageStore(f"{scratch}/store")
        store.prepare()
        pixels = shifted_slices(options.images)
        images = [StoredImage(store.put_pixels(image), pixel_sha256(image)) for image in pixels]
        rows = quickest_rows(backbone, pixels[:256])
        cache = FeatureCache(backbone, Path(scratch) / "embeddings")
        bare_s = embedding_s = 0.0
        for start in range(0, len(pixels), options.rows):
            inputs = backbone.preprocessing(pixels[start : start + options.rows]).to(backbone.device)
            portion = images[start : start + options.rows]
            bare_s += seconds(bare_loop, backbone, inputs, rows)
            embedding_s += seconds(cache.of_stored, store, portion, silent)
        again_s = seconds(FeatureCache(backbone, Path(scratch) / "embeddings").of_stored, store, images, silent)
    share = bare_s / embedding_s
    print(f"{len(images):,} images of {pixels.shape[1]} px, backbone {backbone.name}, {options.threads} threads")
    print(f"bare loop in batches of {rows}: {bare_s:.1f} s, {len(images) / bare_s:.0f} images a second")
    print(f"embedding stored images: {embedding_s:.1f} s, {share:.2f} of the bare loop's speed")
    print(f"the same again: {again_s:.2f} s, {embedding_s / again_s:.0f} times as quick")
    assert share >= LEAST_SHARE, f"expected at least {LEAST_SHARE} of the bare loop, got {share:.2f}"


def shifted_slices(count: int) -> Pixels:
    """Slices (N, H, W, 1) of the simulated cohort, each at several places."""
    numbers = range(FIRST_SUBJECT, FIRST_SUBJECT + -(-count // SHIFTS))
    slices = np.stack([drawn.pixels[:, :, None] for drawn in render_many(numbers, 1)])
    return np.concatenate([np.roll(slices, shift, axis=2) for shift in range(SHIFTS)])[:count]


def quickest_rows(backbone: Backbone, pixels: Pixels) -> int:
    """The batch size with which the bare loop is quickest."""
    inputs = backbone.preprocessing(pixels).to(backbone.device)
    bare_loop(backbone, inputs[:64], 64)
    tried = {*TRIED_ROWS, backbone.rows_at_once}
    return min(tried, key=lambda rows: min(seconds(bare_loop, backbone, inputs, rows) for _ in range(2)))


def bare_loop(backbone: Backbone, inputs: Tensor, rows: int) -> None:
    """Run the network over ready inputs (N, C, h, w)."""
    with torch.inference_mode():
        for batch in inputs.split(rows):
            backbone.pooled(batch)
    if inputs.is_cuda:
        torch.cuda.synchronize()


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """The time that `work` takes."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
