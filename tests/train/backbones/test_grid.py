"""The grid says where things stand in an image, and its pass makes the features too."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoModel, PreTrainedConfig, ResNetConfig, SamVisionConfig, SwinConfig, ViTConfig

from tests.rows import picture
from tests.train.tiny import save_backbone
from train.backbones.grid import GRID, MOST_CHANNELS, features_with_grid, grid_features, grid_width
from train.backbones.load import Backbone

BLOCKS = {"num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32}


def load(directory: Path, config: PreTrainedConfig) -> Backbone:
    torch.manual_seed(0)
    return Backbone.load(save_backbone(directory, AutoModel.from_config(config)))


def test_a_stage_a_third_of_the_way_is_averaged_in_parts_and_the_features_stay_the_same(tmp_path: Path) -> None:
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16, 32], "depths": [1, 1, 1], "layer_type": "basic"}
    backbone = load(tmp_path / "map", ResNetConfig(**sizes))
    pixels = np.stack([picture(number, 40) for number in range(5)])
    features, grid = features_with_grid(backbone, pixels)
    assert grid.shape == (5, grid_width(backbone)) == (5, GRID * GRID * 8)
    np.testing.assert_array_equal(features, backbone.features(pixels))
    inputs = backbone.preprocessing(pixels)
    with torch.inference_mode():
        stage = backbone.model(inputs, output_hidden_states=True).hidden_states[1]
    parts = functional.adaptive_avg_pool2d(stage, 4).permute(0, 2, 3, 1)
    np.testing.assert_allclose(grid.reshape(5, 4, 4, 8), parts.numpy(), atol=1e-5)


def test_blocks_of_a_transformer_are_taken_at_two_thirds_and_wide_ones_projected(tmp_path: Path) -> None:
    narrow = load(tmp_path / "narrow", ViTConfig(hidden_size=32, patch_size=8, **BLOCKS))
    inputs = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        tokens = narrow.model(inputs, output_hidden_states=True).hidden_states[2][:, 1:]
        features, grid = grid_features(narrow, inputs)
    torch.testing.assert_close(grid, tokens.flatten(1))
    torch.testing.assert_close(features, narrow.pooled(inputs).detach())
    wide = load(tmp_path / "wide", ViTConfig(hidden_size=96, patch_size=8, **BLOCKS))
    assert grid_width(wide) == GRID * GRID * MOST_CHANNELS
    with torch.inference_mode():
        full = wide.model(inputs, output_hidden_states=True).hidden_states[2][:, 1:].flatten(1)
        projected = grid_features(wide, inputs)[1]
    assert 0.7 < (projected[0] - projected[1]).norm() / (full[0] - full[1]).norm() < 1.3


def test_stages_that_come_as_tokens_are_taken_as_the_maps_beside_them(tmp_path: Path) -> None:
    sizes = {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4, "image_size": 32, "patch_size": 4}
    backbone, inputs = load(tmp_path / "swin", SwinConfig(**sizes)), torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        stage = backbone.model(inputs, output_hidden_states=True).reshaped_hidden_states[1]  # (2, 16, 4, 4)
        torch.testing.assert_close(grid_features(backbone, inputs)[1], stage.flatten(2).transpose(1, 2).flatten(1))


def test_a_network_without_maps_of_places_has_an_empty_grid(tmp_path: Path) -> None:
    sizes = {"hidden_size": 16, "output_channels": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_dim": 16}
    channels_last = SamVisionConfig(**sizes, image_size=32, patch_size=8, window_size=2, global_attn_indexes=[1])
    backbone = load(tmp_path / "sam", channels_last)
    features, grid = features_with_grid(backbone, np.stack([picture(1, 40)]))
    assert (features.shape, grid.shape) == ((1, 8), (1, 0))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96)])
def test_what_moves_in_the_image_moves_in_the_grid(tmp_path: Path, height: int, width: int) -> None:
    backbone = load(tmp_path / "map", ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1]))
    inputs = torch.zeros(2, 3, height, width)
    inputs[0, :, 10:14, 10:14] = inputs[1, :, 50:54, width - 14 : width - 10] = 1
    with torch.inference_mode():
        features, grid = grid_features(backbone, inputs)
    left, right = grid.unflatten(1, (GRID, GRID, -1)).norm(dim=3).flatten(1).argmax(dim=1).tolist()
    assert (left, right) == (0, GRID * GRID - 1)
    assert (features[0] - features[1]).norm() < 0.2 * (grid[0] - grid[1]).norm()
