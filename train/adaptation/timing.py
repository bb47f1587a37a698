"""Estimate how long the runs of an adaptation take on this machine, from a few of their own steps.

With a frozen encoder nearly all of it is one pass over the images, whose features are then kept; otherwise it is the
steps, and the validation images at each evaluation.
"""

import copy
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from curation.progress import Clock
from curation.snapshots.folder import SnapshotFolder, SnapshotRow
from train.adaptation.config import AdaptationConfig
from train.adaptation.methods.implementation import find_implementation
from train.adaptation.model import AdaptedModel, StandardizedHead
from train.adaptation.training import make_views
from train.backbones.load import Backbone
from train.fitting.timing import FORWARD_SHARE, WORTH_STEPS, FitEstimate, PhaseEstimate, time_steps

TIMED_IMAGES = 8


def estimate_runs(
    folders: Sequence[SnapshotFolder],
    config: AdaptationConfig,
    backbone: Backbone,
    seeds: int = 1,
    predicted: str | None = None,
    clock: Clock = time.monotonic,
) -> FitEstimate | None:
    """Estimate a run of every folder and seed, with predictions on the split `predicted` of each.

    None where it is over so soon that nobody needs to know.
    """
    splits = ["train", "validation", *([predicted] if predicted else [])]
    rows = {folder.name: [row for split in dict.fromkeys(splits) for row in folder.rows(split)] for folder in folders}
    fits = seeds * config.soup
    steps = sum(config.total_steps(len(folder.rows("train"))) for folder in folders) * fits
    images = len({row.pixel_sha256 for of_folder in rows.values() for row in of_folder})
    if config.method.row.frozen_encoder:
        if images < WORTH_STEPS:
            return None
        return _estimate_head(folders[0], config, backbone, images, steps, clock)
    if steps < WORTH_STEPS:
        return None
    with torch.random.fork_rng():
        step_s = _time_encoder(folders[0], config, backbone, clock)
    image_s = step_s * FORWARD_SHARE / config.batch_size
    probed = images if config.start == "probe" else 0
    validated = sum(len(folder.rows("validation")) for folder in folders) * fits * config.evaluations
    foretold = sum(len(folder.rows(predicted)) for folder in folders) * seeds if predicted else 0
    return FitEstimate(
        str(backbone.device), (PhaseEstimate("adaptation", steps, step_s, (probed + validated + foretold) * image_s),)
    )


def _estimate_head(
    folder: SnapshotFolder, config: AdaptationConfig, backbone: Backbone, images: int, steps: int, clock: Clock
) -> FitEstimate:
    """Time the features of a few images twice, and steps of a head on what they give where it takes steps."""
    device = str(backbone.device)
    pixels = folder.pixels(folder.rows("train")[:TIMED_IMAGES])
    backbone.features(pixels)  # warms up
    began = clock()
    backbone.features(pixels)
    image_s = (clock() - began) / len(pixels)
    features = PhaseEstimate("features", images, image_s, unit="images")
    if not config.method.row.takes_steps:
        return FitEstimate(device, (features,))
    with torch.random.fork_rng():
        width = backbone.dimension
        head = StandardizedHead(torch.zeros(width), torch.ones(width), len(folder.classes)).to(device)
        inputs = torch.randn(config.batch_size, width, device=device)
        labels = torch.arange(config.batch_size, device=device) % len(folder.classes)
        step_s = time_steps(head, lambda: cross_entropy(head(inputs), labels), device, clock)
    return FitEstimate(device, (features, PhaseEstimate("head", steps, step_s)))


def _time_encoder(folder: SnapshotFolder, config: AdaptationConfig, backbone: Backbone, clock: Clock) -> float:
    """Time steps of a copy of the encoder, prepared as the method prepares it."""
    device = str(backbone.device)
    rows: list[SnapshotRow] = folder.rows("train")
    chosen = [rows[index % len(rows)] for index in range(config.batch_size)]
    pixels = folder.pixels(list({row.pixel_sha256: row for row in chosen}.values()))
    batch = pixels[np.arange(config.batch_size) % len(pixels)]
    prepared = find_implementation(config.method).prepare(copy.deepcopy(backbone), config.method, config.backbone)
    head = StandardizedHead(torch.zeros(backbone.dimension), torch.ones(backbone.dimension), len(folder.classes))
    model = AdaptedModel(prepared, head).to(device)
    model.train()
    labels = torch.arange(config.batch_size, device=device) % len(folder.classes)
    views, generator = make_views(folder, batch, prepared, config), torch.Generator().manual_seed(config.seed)

    def loss() -> torch.Tensor:
        inputs = views(np.arange(len(batch)), generator) if views else prepared.preprocessing(batch)
        return cross_entropy(model(inputs.to(device)), labels)

    return time_steps(model, loss, device, clock)
