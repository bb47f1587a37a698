"""How much faster a linear probe trains on cached features than through the frozen backbone.

Processor time of one thread, which other work on the machine hardly changes. All train one head on the same draws: on
features that are computed and kept first, on features that another process may have kept, and through the backbone.

Usage: python benchmarks/cached_features.py [IMAGES] [EPOCHS]    default 256 10
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.embedding import StoredImage
from curation.image_store import ImageStore, pixel_sha256
from curation.progress import silent
from train.adaptation.config import AdaptationConfig
from train.adaptation.examples import Examples
from train.adaptation.fit import FitTask, train_model
from train.adaptation.model import AdaptedModel, StandardizedHead
from train.backbones.load import Backbone
from train.backbones.shipped import SHIPPED_BACKBONE
from train.features.feature_cache import FeatureCache
from train.fitting.checkpoint import Checkpoint

N_CLASSES = 3


def train(model: nn.Module, examples: Examples, config: AdaptationConfig) -> None:
    """Train without validation, the checkpoint in a directory that goes."""
    with tempfile.TemporaryDirectory() as directory:
        checkpoint = Checkpoint(Path(directory) / "fit.pt", "benchmark")
        train_model(model, FitTask(examples, None, config, silent, checkpoint))


def main() -> None:
    """Print processor seconds of each and their ratios."""
    n_images, epochs = (int(argument) for argument in [*sys.argv[1:], *("256", "10")[len(sys.argv) - 1 :]])
    torch.set_num_threads(1)
    backbone = Backbone.load(SHIPPED_BACKBONE)
    backbone.model.requires_grad_(False)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n_images, *backbone.preprocessing.size, 1), dtype=np.uint8)
    labels, weights = rng.integers(0, N_CLASSES, n_images), np.ones(n_images)
    config = AdaptationConfig(epochs=epochs, patience=None)
    with tempfile.TemporaryDirectory() as scratch:
        store = ImageStore(f"{scratch}/store")
        store.prepare()
        images = [StoredImage(store.put_pixels(image), pixel_sha256(image)) for image in pixels]

        def train_on_cached() -> tuple[StandardizedHead, float]:
            start = time.process_time()
            features = torch.from_numpy(
                FeatureCache(backbone, Path(scratch) / "embeddings").of_stored(store, images, silent)
            )
            torch.manual_seed(0)
            head = StandardizedHead.fitted(features, N_CLASSES)
            train(head, Examples(lambda chosen: features[chosen], labels, weights), config)
            return head, time.process_time() - start

        _, first = train_on_cached()
        cached_head, again = train_on_cached()

    torch.manual_seed(0)
    head = StandardizedHead.fitted(torch.from_numpy(backbone.features(pixels)), N_CLASSES)
    model = AdaptedModel(backbone, head)
    start = time.process_time()
    train(model, Examples(lambda chosen: backbone.preprocessing(pixels[chosen]), labels, weights), config)
    uncached = time.process_time() - start

    difference = float((head.linear.weight - cached_head.linear.weight).detach().abs().max())
    print(f"{n_images} images, {epochs} epochs, backbone {backbone.name}; processor seconds")
    print(f"features computed and kept {first:8.2f}")
    print(f"features kept before       {again:8.2f}, {first / again:.0f} times as quick")
    print(
        f"through the backbone       {uncached:8.2f}, {uncached / first:.1f} times as long as the first; "
        f"weights differ by at most {difference:.1e}"
    )


if __name__ == "__main__":
    main()
