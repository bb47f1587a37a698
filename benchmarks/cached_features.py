"""How much faster a linear probe trains on cached features than through the frozen backbone.

Processor time of one thread, which other work on the machine hardly changes. Both train one head on the same draws.

Usage: python benchmarks/cached_features.py [IMAGES] [EPOCHS]    default 256 10
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from curation.progress import silent
from train.adaptation.config import AdaptationConfig
from train.adaptation.fit import Examples, train_model
from train.adaptation.model import AdaptedModel, StandardizedHead
from train.backbones.load import Backbone
from train.backbones.shipped import SHIPPED_BACKBONE
from train.fitting.checkpoint import Checkpoint

N_CLASSES = 3


def train(model: nn.Module, examples: Examples, config: AdaptationConfig) -> None:
    """Train without validation, the checkpoint in a directory that goes."""
    with tempfile.TemporaryDirectory() as directory:
        checkpoint = Checkpoint(Path(directory) / "fit.pt", "benchmark")
        train_model(model, examples, None, config, silent, checkpoint)


def main() -> None:
    """Print processor seconds of both and their ratio."""
    n_images, epochs = (int(argument) for argument in [*sys.argv[1:], *("256", "10")[len(sys.argv) - 1 :]])
    torch.set_num_threads(1)
    backbone = Backbone.load(SHIPPED_BACKBONE)
    backbone.model.requires_grad_(False)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n_images, *backbone.preprocessing.size, 1), dtype=np.uint8)
    labels, weights = rng.integers(0, N_CLASSES, n_images), np.ones(n_images)
    config = AdaptationConfig(epochs=epochs, patience=None)

    start = time.process_time()
    features = torch.from_numpy(backbone.features(pixels))
    torch.manual_seed(0)
    cached_head = StandardizedHead.fitted(features, N_CLASSES)
    cached_examples = Examples(lambda chosen: features[chosen], labels, weights)
    train(cached_head, cached_examples, config)
    cached = time.process_time() - start

    torch.manual_seed(0)
    head = StandardizedHead.fitted(features, N_CLASSES)
    model = AdaptedModel(backbone, head)
    images = Examples(lambda chosen: backbone.preprocessing(pixels[chosen]), labels, weights)
    start = time.process_time()
    train(model, images, config)
    uncached = time.process_time() - start

    difference = float((head.linear.weight - cached_head.linear.weight).detach().abs().max())
    print(f"{n_images} images, {epochs} epochs, backbone {backbone.name}")
    print(f"cached   {cached:8.2f} s (features included)")
    print(
        f"uncached {uncached:8.2f} s, {uncached / cached:.1f} times as long; weights differ by at most {difference:.1e}"
    )


if __name__ == "__main__":
    main()
