"""Describe where things stand in an image: an early layer, averaged in 4 x 4 parts.

A mean over the whole image does not say where something is, and a late layer of a network that was fitted on whole
anatomy tells little of a broken one. Features with place are what anomaly detection rests on (PaDiM, Defard et al.
2021; PatchCore, Roth et al. 2022); which layer and how many parts is measured in docs/decisions.md.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from curation.image_store import Pixels
from train.backbones.input_size import run_model
from train.backbones.load import Backbone
from train.backbones.pooling import count_before_patches, has_class_token, pool_features

GRID = 4  # parts an edge
MOST_CHANNELS = 64  # of a part; more are projected at random, so that no image needs more than 1,024 numbers
METHOD = "grid-1"  # raised whenever the grid of an image could become another: part of the name of its file


def grid_features(backbone: Backbone, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return features (N, D), as `Backbone.pooled` does, and the grid (N, G) of inputs (N, C, h, w), in one pass.

    G is 0 for a network that has no layers with places.
    """
    output = run_model(backbone.model, inputs, backbone.is_asked_to_interpolate, output_hidden_states=True)
    early = _early_map(output, backbone.model, inputs)
    grid = inputs.new_empty(len(inputs), 0) if early is None else _part_means(early)
    return pool_features(output, backbone.pooling), grid


def embed_with_grid(backbone: Backbone, inputs: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return features (N, D), equal to those of `Backbone.embed` to the last bit, and the grid (N, G), on the CPU."""
    return _part(backbone, backbone.embed(inputs, _both(backbone)))


def features_with_grid(backbone: Backbone, pixels: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return features (N, D) and grid (N, G) of images (N, H, W, C)."""
    return _part(backbone, backbone.features(pixels, _both(backbone)))


def _both(backbone: Backbone) -> Callable[[Tensor], Tensor]:
    return lambda inputs: torch.cat(grid_features(backbone, inputs), dim=1)


def _part(backbone: Backbone, both: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return both[:, : backbone.dimension], both[:, backbone.dimension :]


def grid_width(backbone: Backbone) -> int:
    """Return the length G of the grid of an image: 0 for a network that has no layers with places."""
    blank = torch.zeros(1, backbone.preprocessing.num_channels, *backbone.preprocessing.input_size)
    with torch.inference_mode():
        return grid_features(backbone, blank.to(backbone.device))[1].shape[1]


def _early_map(output: Any, model: Any, inputs: Tensor) -> Tensor | None:
    """Choose the layer: of stages of convolutions a third of the way, of a transformer's blocks two thirds."""
    states = getattr(output, "reshaped_hidden_states", None) or getattr(output, "hidden_states", None)
    if not states or len(states) < 2:
        return None
    layers, of_stages = len(states) - 1, states[-1].ndim == 4
    state: Tensor = states[max(1, round(layers / 3 if of_stages else 2 * layers / 3))]
    feature_map = state if of_stages else _as_map(state, model, inputs)
    height, width = inputs.shape[2:]
    # What has other proportions than the image is no map of it: channels last, or tokens of something else.
    if feature_map is None or abs(feature_map.shape[2] * width / height - feature_map.shape[3]) > 1:
        return None
    return feature_map


def _as_map(tokens: Tensor, model: Any, inputs: Tensor) -> Tensor | None:
    """Lay the patch tokens (N, T, D) out as (N, D, h, w); None where they are no such grid."""
    patches = tokens[:, count_before_patches(model, has_class_token(model)) :]
    height, width = inputs.shape[2:]
    rows = round((patches.shape[1] * height / width) ** 0.5)
    if not rows or patches.shape[1] % rows:
        return None
    return patches.transpose(1, 2).reshape(len(patches), patches.shape[2], rows, -1)


def _part_means(feature_map: Tensor) -> Tensor:
    """(N, G) means of the parts of (N, C, h, w), part by part."""
    means = functional.adaptive_avg_pool2d(feature_map, GRID).flatten(2).transpose(1, 2)  # (N, parts, C)
    if means.shape[2] > MOST_CHANNELS:
        means = means @ _projection(means.shape[2]).to(means)
    return means.flatten(1)


@lru_cache
def _projection(channels: int) -> Tensor:
    """(C, 64) random numbers, the same ones every time: they keep angles and distances nearly as they are."""
    random = np.random.default_rng(0).normal(size=(channels, MOST_CHANNELS)) / MOST_CHANNELS**0.5
    return torch.from_numpy(random.astype(np.float32))
